"""How a command writes to the terminal."""

import logging
import sys

import rich.console
import rich.logging


def make_console() -> rich.console.Console:
    """The console of a command: as wide as the terminal, or wide enough for our tables where there is none."""
    return rich.console.Console(width=None if sys.stdout.isatty() else 120)


def log_rounds_to(console: rich.console.Console) -> None:
    """Shows the messages of rounds of retraining on `console`."""
    handler = rich.logging.RichHandler(console=console, show_path=False)
    logger = logging.getLogger("pipeline.retrain")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

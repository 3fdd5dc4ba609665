"""How a command writes to the terminal."""

import logging
import os
import sys
from pathlib import Path

import rich.logging

from pipeline.logs import Console

_WIDTH_IN_A_PIPE = 120


def make_console(stderr: bool = False) -> Console:
    """Return the console of a command: as wide as the terminal, or wide enough for our tables where there is none."""
    in_terminal = (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, width=None if in_terminal else _WIDTH_IN_A_PIPE)


def log_rounds_to(console: Console) -> None:
    """Show the messages of rounds of retraining on `console`."""
    handler = rich.logging.RichHandler(console=console, show_path=False)
    logger = logging.getLogger("pipeline.retrain")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def short(path: Path | str) -> str:
    """Return a path as a reader writes it: relative where it lies below the working folder."""
    if "://" in str(path):
        return str(path)
    here, there = os.getcwd(), os.path.abspath(path)
    return os.path.relpath(there, here) if os.path.commonpath([here, there]) == here else str(path)

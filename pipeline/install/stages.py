"""One line a stage: what it does, how far it is, how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_S = 20
"""Where nobody watches a terminal, progress is a new line, and no more often than this."""


class Stages:
    """Numbers the stages of a set-up and prints them."""

    def __init__(self, total: int):
        self._total = total
        self._number = 0
        self._title = ""
        self._started = self._printed = 0.0

    @contextmanager
    def stage(self, title: str) -> Iterator[Stages]:
        """Print the stage's line: at once on a terminal, and with its time when it is done."""
        self._number += 1
        self._title = title
        self._started = self._printed = time.monotonic()
        if sys.stdout.isatty():
            self._print("…", end="")
        yield self
        self._print(f"({time.monotonic() - self._started:.0f} s)")

    def rename(self, title: str) -> None:
        """Replace the title, now that more is known."""
        self._title = title

    def progress(self, text: str) -> None:
        """Show how far the stage is."""
        if sys.stdout.isatty():
            self._print(f"… {text}", end="")
        elif time.monotonic() - self._printed > QUIET_S:
            self._printed = time.monotonic()
            self._print(f"… {text}")

    def _print(self, text: str, end: str = "\n") -> None:
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{clear}[{self._number}/{self._total}] {self._title} {text}", end=end, flush=True)

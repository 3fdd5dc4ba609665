"""What the log tells of the steps that run. The only place that knows the wording, TFX's in part."""

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Self

RUNNING, FINISHED = "Component %s is running.", "Component %s is finished."
"""As TFX's LocalDagRunner says it, around each node; pipeline/launch.py does the same."""
STARTED = re.compile(r"Component (\S+) is running\.")
_CACHED = re.compile(r"A cached execution \d+ is used\.")
_FINISHED = re.compile(r"Component \S+ is finished\.")


class StepFollower(logging.Handler):
    """Follows a run of TFX's local runner in this process; subclasses say what to do about it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.step = ""
        """The step that runs, or the one that ran last."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message."""
        message = record.getMessage()
        if started := STARTED.match(message):
            self.step = started[1]
            self.on_start()
        elif _CACHED.match(message):
            self.on_cached()
        elif _FINISHED.match(message):
            self.on_finish()

    def on_start(self) -> None:
        """Note that `step` has started."""

    def on_cached(self) -> None:
        """Note that the outputs of `step` come from the cache."""

    def on_finish(self) -> None:
        """Note that `step` has come to its end; not for one that failed."""

    @contextlib.contextmanager
    def attached(self) -> Iterator[Self]:
        """Listen within the block."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield self
        finally:
            root.removeHandler(self)

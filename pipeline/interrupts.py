"""Ctrl-C that a library swallows: TensorFlow's C++ clears whatever error is set while it flattens a structure."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def remembered() -> Iterator[Callable[[], None]]:
    """Remember signals that raise KeyboardInterrupt, for where that may come to nothing. In other threads, do nothing.

    Yields:
      a function that raises KeyboardInterrupt if a signal has come.
    """
    came: list[int] = []

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    def around(before: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            came.append(number)
            before(number, frame)

        return handle

    here = threading.current_thread() is threading.main_thread()  # where Python handles signals
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: before for number, before in handlers.items() if here and callable(before)}
    for number, before in ours.items():
        signal.signal(number, around(before))
    try:
        yield check
    finally:
        for number, before in ours.items():
            signal.signal(number, before)

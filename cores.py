"""Work on every core that this process may use. Like nsynth.py it stands below every package.

`python -m cores` is a worker process: calls come pickled through its standard input, answers go to its output.
"""

import contextlib
import ctypes
import functools
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import nsynth

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "max 100000", or microseconds of each so many
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT_BYTES = 1 << 30


def count() -> int:
    """Return how many cores this process may use: those of its CPU set, as far as its container's quota goes."""
    cores = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def each(
    function: Callable[[Item], Result], items: Iterable[Item], processes: bool = False
) -> Iterator[Result]:
    """Call `function` for every item, side by side on as many cores as there are, and yield the results in order.

    On one core it is called in this thread, whenever the next result is asked for.

    Args:
      function: with `processes`, it and what it takes and returns must be picklable.
      items: what to call it for.
      processes: let a process for each further core do the work; one core works in this process. That pays where
        Python itself takes much of the time, if the work is longer than the start of a process: a few tenths of a
        second of CPU time, and what `function` imports.

    Raises:
      nsynth.UserError: a worker process was killed.
      Exception: what `function` raised; nothing of the work goes on then.
    """
    keep_memory()
    if count() == 1:
        yield from map(function, items)
        return
    with _Workers() if processes else contextlib.nullcontext() as workers:
        call = functools.partial(workers.call, function) if workers else function
        waiting = deque(_threads().submit(call, item) for item in items)
        try:
            while waiting:
                result = waiting[0].result()
                waiting.popleft()
                yield result
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)


@functools.cache
def keep_memory() -> None:
    """Let this process keep the memory that it frees.

    glibc returns large blocks at once, and takes them again, zeroed page by page, for the next note: a sixth of the
    CPU time of ingest. Memory grows no further than its peak.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        allocator.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """One pool for all callers: several bundles of Beam at once do not multiply the threads."""
    return ThreadPoolExecutor(count(), "cores")


class _Workers(contextlib.ExitStack):
    """Worker processes, started as they are needed, beside this one, which needs no start; all end with the block.

    Not multiprocessing's: these neither import the caller's main module anew nor outlive a caller that was killed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._here = threading.Lock()

    def call(self, function: Callable[[Item], Result], item: Item) -> Result:
        """Call the function here or, where another call goes on here, let a worker do so; raise what it raised.

        Raises:
          nsynth.UserError: the worker was killed.
        """
        if self._here.acquire(blocking=False):
            try:
                return function(item)
            finally:
                self._here.release()
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = self._start()
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            pickle.dump((function, item), worker.stdin)
            worker.stdin.flush()
            result, error = pickle.load(worker.stdout)
        except (EOFError, BrokenPipeError) as broken:
            raise nsynth.UserError(
                f"A worker process of this step ended with {worker.wait()}, most often because memory ran out. Give it "
                "more memory, or fewer cores (taskset), and run again."
            ) from broken
        self._idle.put(worker)
        if error is not None:
            raise error
        return result

    def _start(self) -> "subprocess.Popen[bytes]":
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        worker = subprocess.Popen(
            [sys.executable, "-m", "cores"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        return self.enter_context(worker)  # which closes its input, by which it ends


def _work() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal it reaches all; the caller decides
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the work prints is no answer
    keep_memory()
    while True:
        try:
            function, item = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_answer(function, item), answers)
        answers.flush()


def _answer(function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return function(item), None
    except Exception as error:
        return None, error


if __name__ == "__main__":
    _work()

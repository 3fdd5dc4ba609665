"""Work on threads that comes back in order. What takes long here (hashes, FFTs, arithmetic) lets other threads run."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2  # items that a thread may be ahead of who takes the results


@contextlib.contextmanager
def mapped(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 0
) -> Iterator[Iterator[tuple[Item, Callable[[], Result]]]]:
    """Call `function` for each item on several threads.

    The items are asked for in this thread, a few of them ahead of their results.

    Args:
        function: is called once for each item.
        items: in the order in which their results are wanted.
        threads: how many; 0 is as many as this process has cores.

    Yields:
        Each item, in order, and what waits for its result; it raises what `function` raised.
    """
    threads = threads or len(os.sched_getaffinity(0))
    if threads == 1:
        yield ((item, partial(function, item)) for item in items)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield _in_order(pool, function, items, _AHEAD * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[tuple[Item, Callable[[], Result]]]:
    waiting: deque[tuple[Item, Callable[[], Result]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(function, item).result))
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting

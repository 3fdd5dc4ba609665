import os
import threading
from collections.abc import Iterator

import pytest

from components.ingest import threads


@pytest.fixture(params=[1, 2, 4], autouse=True)
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(request.param)))
    return request.param


def test_results_come_in_the_order_of_the_items() -> None:
    later = [threading.Event() for _ in range(50)]

    def slow_if_even(item: int) -> int:
        if (
            item % 2 == 0
            and item + 1 < len(later)
            and threading.current_thread() is not threading.main_thread()
        ):
            later[item + 1].wait(timeout=0.01)
        later[item].set()
        return item * item

    with threads.mapped(slow_if_even, range(50)) as results:
        assert [(item, result()) for item, result in results] == [(i, i * i) for i in range(50)]


def test_an_error_is_raised_where_its_result_is_asked_for_and_stops_no_other() -> None:
    with threads.mapped(lambda item: 12 // item, [3, 0, 4]) as results:
        found = []
        for item, result in results:
            if item == 0:
                with pytest.raises(ZeroDivisionError):
                    result()
            else:
                found.append(result())
    assert found == [4, 3]


def test_items_are_asked_for_a_few_ahead_in_the_thread_that_takes_the_results(cores: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            assert threading.current_thread() is threading.main_thread()
            asked.append(item)
            yield item

    with threads.mapped(str, items()) as results:
        next(results)
        assert len(asked) <= 2 * cores + 1


def test_whoever_stops_early_waits_for_nothing_that_has_not_begun(cores: int) -> None:
    called: list[int] = []
    with threads.mapped(called.append, range(1000)) as results:
        next(results)
    assert len(called) <= 2 * cores + 1
    assert not any("ThreadPool" in thread.name for thread in threading.enumerate())

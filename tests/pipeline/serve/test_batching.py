"""Concurrent requests share calls of the model, and nothing else."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.serve.batching import MAX_ROWS, Batcher
from pipeline.serve.errors import ApiError


class Doubler:
    """Doubles rows, one call at a time and when it is allowed to; refuses negative ones."""

    def __init__(self, batches: bool = True):
        self.calls: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._signature = SimpleNamespace(batches=batches)

    def signature(self, name: str) -> SimpleNamespace:
        return self._signature

    def run(self, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.begun.set()
        assert self.go.wait(60)
        self.calls.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise ApiError(400, "negative")
        return {"y": 2 * inputs["x"]}


def rows(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.array(values)}


@pytest.fixture
def batcher():
    made = Batcher()
    yield made
    made.close()


def waiting(batcher: Batcher, model: Doubler, *requests: dict[str, np.ndarray]) -> list:
    """Futures of requests that came while the model was busy with another one."""
    first = batcher.submit(model, "s", rows(0))
    assert model.begun.wait(60)
    futures = [batcher.submit(model, "s", request) for request in requests]
    model.go.set()
    assert first.result(60)["y"].tolist() == [0]
    return futures


def test_what_waits_while_the_model_is_busy_shares_the_next_call(batcher):
    model = Doubler()
    one, two = waiting(batcher, model, rows(1), rows(2, 3))
    assert one.result(60)["y"].tolist() == [2]
    assert two.result(60)["y"].tolist() == [4, 6]
    assert model.calls == [1, 3]


def test_the_fault_of_one_is_not_that_of_the_others(batcher):
    model = Doubler()
    good, bad, also = waiting(batcher, model, rows(1), rows(-1), rows(2))
    assert good.result(60)["y"].tolist() == [2]
    assert also.result(60)["y"].tolist() == [4]
    with pytest.raises(ApiError, match="negative"):
        bad.result(60)


def test_a_call_has_so_many_rows_at_most(batcher):
    model = Doubler()
    futures = waiting(batcher, model, *[rows(*[1.0] * 10)] * 10)
    assert all(f.result(60)["y"].tolist() == [2.0] * 10 for f in futures)
    assert max(model.calls) <= MAX_ROWS
    assert len(model.calls) == 3


@pytest.mark.parametrize("other", [rows(), {"x": np.ones((1, 2))}])
def test_rows_of_another_shape_get_a_call_of_their_own(batcher, other):
    model = Doubler()
    one, two = waiting(batcher, model, rows(1), other)
    assert one.result(60)["y"].tolist() == [2]
    assert two.result(60)["y"].shape == other["x"].shape


def test_a_signature_without_a_free_first_dimension_is_asked_for_each_request(batcher):
    model = Doubler(batches=False)
    for future in waiting(batcher, model, rows(1), rows(2)):
        future.result(60)
    assert model.calls == [1, 1, 1]


def test_what_nobody_waits_for_is_not_computed(batcher):
    model = Doubler()
    first = batcher.submit(model, "s", rows(0))
    assert model.begun.wait(60)
    gone = batcher.submit(model, "s", rows(1))
    assert gone.cancel()
    last = batcher.submit(model, "s", rows(2))
    model.go.set()
    assert (first.result(60)["y"].tolist(), last.result(60)["y"].tolist()) == ([0], [4])
    assert model.calls == [1, 1]


def test_it_ends_when_all_is_answered():
    batcher, model = Batcher(), Doubler()
    model.go.set()
    futures = [batcher.submit(model, "s", rows(n)) for n in range(20)]
    batcher.close()
    assert [f.result(0)["y"].tolist() for f in futures] == [[2 * n] for n in range(20)]
    with pytest.raises(RuntimeError):
        batcher.submit(model, "s", rows(1))

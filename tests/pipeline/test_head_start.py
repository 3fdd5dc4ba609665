"""The canary runs as late as possible, and its process starts beside the step before it."""

from types import SimpleNamespace

import pytest

import cores
from components.canary import run_probe
from pipeline.head_start import HeadStart


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of the canary's process."""
    seen: list[str] = []
    monkeypatch.setattr(run_probe, "start_ahead", lambda: seen.append("started"))
    monkeypatch.setattr(run_probe, "end_unused", lambda: seen.append("ended"))
    monkeypatch.setattr(cores, "count", lambda: 2)
    return seen


def node(name: str, *upstream: str) -> SimpleNamespace:
    """Make a node as TFX compiles it, as far as its order is concerned."""
    info = SimpleNamespace(id=name)
    return SimpleNamespace(pipeline_node=SimpleNamespace(node_info=info, upstream_nodes=list(upstream)))


NODES = [
    node("Predictor"),
    node("Canary", "Predictor"),
    node("Evaluator", "Predictor"),
    node("Gate", "Predictor"),
    node("Pusher", "Canary", "Evaluator", "Gate"),
]


def run(cached: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the nodes in the order in which they run; those that are not cached get their operator."""
    names = []
    with HeadStart() as head_start:
        for one in head_start.ordered(NODES):
            names.append(one.pipeline_node.node_info.id)
            if names[-1] not in cached:
                head_start.give()
    return names


def test_the_canary_comes_right_before_the_first_step_that_needs_it(started: list[str]) -> None:
    assert run() == ["Predictor", "Evaluator", "Gate", "Canary", "Pusher"]
    assert started == ["started", "started", "ended"], (
        "beside Evaluator and Gate, and whatever is left is ended"
    )


def test_a_run_that_takes_everything_from_the_cache_starts_no_process(started: list[str]) -> None:
    run(cached=("Predictor", "Canary", "Evaluator", "Gate", "Pusher"))
    assert started == ["ended"]


def test_on_one_core_nothing_is_started_ahead(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "count", lambda: 1)
    run()
    assert started == ["ended"]


def test_a_graph_that_ends_with_the_canary_runs_it(started: list[str]) -> None:
    with HeadStart() as head_start:
        assert list(head_start.ordered(NODES[:2])) == NODES[:2]

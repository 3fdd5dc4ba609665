"""What is made of a finished run: its result stands, and no push goes unwritten. tests/soak runs the real steps."""

import pytest

from components import storage
from components.registry import Registry
from components.version import Record
from pipeline.history import past_runs
from pipeline.retrain import run
from pipeline.retrain.child import Result

pytestmark = pytest.mark.slow

PUSHED = Result(ending="pushed", words="better", run="2025-06-01", version=7)


@pytest.mark.parametrize("error", [OSError("no such folder"), KeyboardInterrupt()])
def test_a_clean_up_that_fails_is_a_warning_and_the_push_stands(config, monkeypatch, error):
    def clean(*_, **__):
        raise error

    monkeypatch.setattr(run, "write_if_possible", lambda *_: None)
    monkeypatch.setattr(run, "clean_alone", clean)
    cleanup = config.retrain.cleanup.model_copy(update={"after_round": True})
    config = config.model_copy(update={"retrain": config.retrain.model_copy(update={"cleanup": cleanup})})
    done = run._round_off(config, PUSHED)
    assert done.model_copy(update={"warnings": ()}) == PUSHED
    assert done.warnings[0].startswith("not cleaned up: ")


def step(name: str, **inputs: list[past_runs.Output]) -> past_runs.Step:
    return past_runs.Step(name, "COMPLETE", 1.0, 1, inputs=inputs)


@pytest.fixture
def pushed_by(config, monkeypatch):
    """Lets the serving version come from a run on these spans, which no line of the ledger tells of."""

    def pushed_by(*spans: int) -> None:
        Registry(config.models).publish(
            lambda folder: storage.write_bytes(f"{folder}/saved_model.pb", b"m"), Record(run=PUSHED.run)
        )
        examples = [past_runs.Output(span, "Examples", "", {"span": span}) for span in spans]
        names = [f"ExampleGen-{span:06d}" for span in spans] or ["ExampleGen"]
        steps = {name: step(name) for name in (*names, "Pusher")}
        steps["Transform"] = step("Transform", examples=examples)
        monkeypatch.setattr(past_runs, "run_names", lambda store: [PUSHED.run])
        monkeypatch.setattr(past_runs, "load_run", lambda store, name: past_runs.Run(name, steps))

    return pushed_by


def test_a_push_that_no_line_tells_of_is_found_whatever_the_window_is_now(config, pushed_by):
    pushed_by(2, 0)
    found = run._pushed_before_a_crash(config, None, [])
    assert (found.ending, found.run, found.late) == ("pushed", PUSHED.run, (0, 2))
    assert found.version == Registry(config.models).serving().number


def test_a_push_of_a_run_on_a_folder_is_no_rounds(config, pushed_by):
    pushed_by()
    assert run._pushed_before_a_crash(config, None, []) is None

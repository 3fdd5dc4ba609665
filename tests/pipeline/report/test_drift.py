"""The section on drift: what it shows of a round on spans, and what it says of a run that has none."""

import datetime
import json
import re

import pytest

from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.history.ledger import Ledger, Outcome, Round
from pipeline.report.record import Absent, RunRecord
from pipeline.report.sections import drift


def verdict(span: int, agreement: float, accepted: bool = True) -> dict:
    check = {"name": "prediction drift", "measured": 0.125, "limit": 0.2, "outcome": "ok", "words": "moved"}
    answered = (("new", agreement), ("before", 0.5))
    return {
        "accepted": accepted,
        "span": span,
        "champion": 7,
        "checks": [check],
        "distances": {"1": {"pitch": 0.02}, "2": {"pitch": 0.31}},
        "answers": {which: {"agreement": share, "confidence": 0.5, "mean": []} for which, share in answered},
    }


@pytest.fixture
def record(tmp_path) -> RunRecord:
    """The round on span 3, after one on span 2 and before one on span 4."""
    config = Config(workspace=tmp_path / "workspace")
    folder = config.artifacts / "Drift-000003" / "verdict" / "9"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(json.dumps(verdict(3, 0.625)))
    ledger = Ledger(config.workspace / "retrain" / "rounds.jsonl")
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    for number, span in enumerate((2, 3, 4), 1):
        facts = {"drift": verdict(span, 0.2 * span)}
        ledger.append(
            Round(
                number=number,
                outcome=Outcome.KEPT,
                words="",
                started=moment,
                ended=moment,
                run=f"run-{span}",
                facts=facts,
            )
        )
    output = past_runs.Output(9, "DataVerdict", str(folder), {})
    step = past_runs.Step("Drift-000003", "COMPLETE", 1.0, 9, {"verdict": [output]})
    return RunRecord(past_runs.Run("run-3", {step.name: step}), config)


def test_every_earlier_span_is_on_the_map_and_the_farthest_is_named(record):
    told = drift.build(record)
    assert told["farthest"] == (0.31, "pitch", 2)
    assert set(re.findall(r">(0\.\d\d)<", told["map"])) == {"0.02", "0.31"}


def test_the_champions_answers_are_told_up_to_this_run(record):
    drawn = drift.build(record)["seen"]
    assert "span: 2" in drawn
    assert "span: 3" in drawn
    assert "span: 4" not in drawn
    assert "0.625" in drawn, "of this run its own verdict counts"


def test_a_run_without_spans_says_who_looks_at_drift(tmp_path):
    with pytest.raises(Absent, match="nsynth retrain"):
        drift.build(RunRecord(past_runs.Run("run", {}), Config(workspace=tmp_path)))

"""The error of a refusal: what was measured, and which setting changes the limit."""

import json

import pytest

import nsynth
from components.artifacts import DataVerdict
from components.data_gate.component import Stop

STOPPED = {"name": "labels", "outcome": "stop", "measured": 0.5, "limit": 0.4, "words": "labelled wrongly?"}


def stop(folder, accepted: bool) -> None:
    (folder / "verdict.json").write_text(json.dumps({"accepted": accepted, "checks": [STOPPED]}))
    verdict = DataVerdict()
    verdict.uri = str(folder)
    Stop.EXECUTOR_SPEC.executor_class().Do(
        {"verdict": [verdict]}, {}, {"bars": "retrain.drift.min_agreement"}
    )


def test_a_refusal_names_what_was_measured_and_the_setting_that_helps(tmp_path):
    with pytest.raises(nsynth.RefusedDataError) as told:
        stop(tmp_path, accepted=False)
    assert "labels: labelled wrongly? (measured 0.5, limit 0.4)" in str(told.value)
    assert "in the configuration: retrain.drift.min_agreement" in str(told.value)
    assert "data gate" not in str(told.value)


def test_accepted_data_go_on(tmp_path):
    stop(tmp_path, accepted=True)

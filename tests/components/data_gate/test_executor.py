"""DataGate writes its verdict, keeps what it accepts for later comparisons, and stops the run over what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import standard_artifacts

import nsynth
from components import accepted, storage
from components.artifacts import DataVerdict, QuarantinedNotes
from components.data_gate.executor import DataGateExecutor
from components.data_gate.options import DataGateOptions
from components.documents.data import DataGateVerdict, DriftVerdict
from components.documents.ingest import IngestAccount
from tests.components.data_gate.conftest import SCHEMA

STATISTICS = """
datasets { features {
  path { step: "instrument_family_str" }
  string_stats { rank_histogram {
    buckets { label: "organ" sample_count: 9 } buckets { label: "bass" sample_count: 1 }
  } }
} }
"""


@pytest.fixture
def judge(tmp_path: Path) -> Callable:
    """Runs the step on ten notes, nine of them organs; returns the folder of its verdict."""

    def artifact(kind: type, name: str):
        made = kind()
        made.uri = str(tmp_path / name)
        Path(made.uri).mkdir(exist_ok=True)
        return made

    def run(largest_share: float) -> Path:
        inputs = {
            "examples": artifact(standard_artifacts.Examples, "examples"),
            "statistics": artifact(standard_artifacts.ExampleStatistics, "statistics"),
            "schema": artifact(standard_artifacts.Schema, "schema"),
            "anomalies": artifact(standard_artifacts.ExampleAnomalies, "anomalies"),
            "quarantine": artifact(QuarantinedNotes, "quarantine"),
        }
        inputs["examples"].span = 3
        inputs["statistics"].split_names, inputs["anomalies"].split_names = '["train"]', "[]"
        found = text_format.Parse(STATISTICS, statistics_pb2.DatasetFeatureStatisticsList())
        content = found.SerializeToString()
        storage.write_bytes(f"{inputs['statistics'].uri}/Split-train/FeatureStats.pb", content)
        schema = text_format.MessageToString(SCHEMA).encode()
        storage.write_bytes(f"{inputs['schema'].uri}/schema.pbtxt", schema)
        IngestAccount(notes_in=10, used=10).write(inputs["quarantine"].uri)
        verdict = artifact(DataVerdict, "verdict")
        limit = {"limit": largest_share, "action": "stop"}
        options = DataGateOptions.model_validate({"largest_family_share": limit})
        DataGateExecutor().Do(
            {key: [value] for key, value in inputs.items()},
            {"verdict": [verdict]},
            {"options": options.model_dump_json(), "accepted_folder": str(tmp_path / "accepted"), "code": ""},
        )
        return Path(verdict.uri)

    return run


def test_accepted_data_goes_on_and_is_kept(judge, tmp_path):
    assert DataGateVerdict.read(judge(0.95)).accepted
    assert [entry.span for entry in accepted.entries(tmp_path / "accepted")] == [3]


def test_refused_data_stops_the_run_with_its_verdict_and_is_not_kept(judge, tmp_path):
    with pytest.raises(nsynth.RefusedDataError, match="share of the largest family") as told:
        judge(0.5)
    assert accepted.entries(tmp_path / "accepted") == []
    verdict = DataGateVerdict.model_validate_json(told.value.verdict)
    assert verdict == DataGateVerdict.read(tmp_path / "verdict"), (
        "a cluster keeps the file, TFX's runner does not"
    )
    assert [check.name for check in verdict.stops()] == ["share of the largest family"]


def test_a_refusal_names_what_was_measured_and_the_setting_that_helps():
    stopped = {
        "name": "labels",
        "outcome": "stop",
        "measured": 0.5,
        "limit": 0.4,
        "words": "labelled wrongly?",
    }
    verdict = DriftVerdict.model_validate({"accepted": False, "checks": [stopped]})
    with pytest.raises(nsynth.RefusedDataError) as told:
        verdict.enforce("retrain.drift.min_agreement")
    assert "labels: labelled wrongly? (measured 0.5, limit 0.4)" in str(told.value)
    assert "in the configuration: retrain.drift.min_agreement" in str(told.value)
    assert json.loads(told.value.verdict)["checks"] == [stopped]

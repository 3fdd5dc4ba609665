"""What steps write down can be read again, by this code and from files of other versions."""

import json
import math

import pytest

import nsynth
from components.documents.data import DriftVerdict, Verdict
from components.documents.document import Figure
from components.documents.ingest import IngestAccount
from components.documents.models import GateReport

FIGURE = {"value": 0.5, "low": 0.25, "high": 0.75}
GATE = {"confidence": 0.95, "notes": 8, "instruments": 2, "overall": {"accuracy": FIGURE}}


def test_what_is_written_is_read(tmp_path):
    report = GateReport.model_validate({**GATE, "checks": [{"name": "a", "asked": "b", "measured": "c",
                                                            "passed": False, "advice": "d"}]})  # fmt: skip
    report.write(tmp_path, "in words")
    assert GateReport.read(tmp_path) == report
    assert [check.advice for check in report.failed()] == ["d"]
    assert (tmp_path / "gate.md").read_text() == "in words"


def test_a_key_that_is_not_known_is_passed_over_and_a_missing_one_takes_its_default(tmp_path):
    (tmp_path / "gate.json").write_text(json.dumps({**GATE, "of_another_version": 1}))
    report = GateReport.read(tmp_path)
    assert report.overall["accuracy"] == Figure(**FIGURE)
    assert (report.difference, report.checks, report.champion.version) == (None, (), 0)


def test_the_keys_on_disk_are_what_scripts_know():
    assert json.loads(IngestAccount(notes_in=3).to_json())["in"] == 3
    verdict = json.loads(DriftVerdict(accepted=True, distances={3: {"pitch": 0.1}}).to_json())
    assert verdict["distances"] == {"3": {"pitch": 0.1}}


def test_a_figure_that_cannot_be_told_survives():
    unknown = Figure(value=0.5, low=math.nan, high=math.nan)
    assert math.isnan(Figure.model_validate_json(unknown.model_dump_json()).low)


@pytest.mark.parametrize(("content", "where"), [("{", ""), ('{"accepted": "perhaps"}', "accepted")])
def test_a_damaged_file_is_named_with_the_place(tmp_path, content, where):
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(nsynth.UserError, match=rf"verdict\.json is damaged: {where}"):
        Verdict.read(tmp_path)

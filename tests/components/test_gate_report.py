"""What people read of a candidate: the gate's report with the Evaluator's checks, as one verdict."""

import pytest

from components.documents.document import Figure
from components.documents.models import EvaluatorReport, GateCheck, GateReport
from components.gate_report import headline, read_report

ACCURACY = Figure(value=0.7, low=0.6, high=0.8)


def check(name: str, passed: bool) -> GateCheck:
    return GateCheck(name, "asked", "measured", passed)


@pytest.fixture
def read(tmp_path):
    """The report of a gate whose only check passed or not, with the Evaluator's."""

    def run(gate: bool, evaluator: bool | None) -> GateReport:
        report = GateReport(
            confidence=0.95, notes=10, instruments=2, overall={"accuracy": ACCURACY}, blessed=gate,
            checks=(check("accuracy", gate),),
        )  # fmt: skip
        report.model_copy(update={"verdict": headline(report)}).write(tmp_path / "gate")
        if evaluator is not None:
            EvaluatorReport(checks=(check("Evaluator", evaluator),)).write(tmp_path / "evaluator")
        return read_report(tmp_path / "gate", tmp_path / "evaluator")

    return run


def test_the_evaluators_checks_follow_the_gates(read):
    report = read(gate=True, evaluator=True)
    assert [c.name for c in report.checks] == ["accuracy", "Evaluator"]
    assert report.blessed
    assert report.verdict.startswith("blessed: accuracy 70.0%")


@pytest.mark.parametrize(("gate", "named"), [(True, ["Evaluator"]), (False, ["accuracy", "Evaluator"])])
def test_what_the_evaluator_refuses_is_not_blessed_and_every_reason_is_named(read, gate, named):
    report = read(gate, evaluator=False)
    assert not report.blessed
    assert report.verdict == "not blessed: " + "; ".join(f"{n}: measured, required: asked" for n in named)


def test_a_report_of_an_earlier_version_stands_alone(read):
    assert [c.name for c in read(gate=True, evaluator=None).checks] == ["accuracy"]

"""The gate's report as people read it: with what TFX's Evaluator found at the same time, and in one sentence."""

from pathlib import Path

from components.documents.document import Figure
from components.documents.models import EvaluatorReport, GateReport


def read_report(gate: str | Path, evaluator: str | Path | None = None) -> GateReport:
    """Read the report of a gate, and add the checks of the Evaluator that judged the same predictions.

    Args:
      gate: folder of the gate's report.
      evaluator: folder of the Evaluator's blessing; none where there is none.

    Raises:
      FileNotFoundError: the gate's report is not there.
      nsynth.UserError: one of them is damaged.
    """
    report = GateReport.read(gate)
    try:
        checks = EvaluatorReport.read(evaluator).checks if evaluator else ()
    except FileNotFoundError:  # of an earlier version of this code, whose gate looked at it
        checks = ()
    if not checks:
        return report
    report = report.model_copy(update={"checks": (*report.checks, *checks)})
    report = report.model_copy(update={"blessed": not report.failed()})
    return report.model_copy(update={"verdict": headline(report)})


def headline(report: GateReport) -> str:
    """Summarize the verdict in one sentence."""
    failed = report.failed()
    if not failed:
        accuracy = interval(report.overall["accuracy"])
        return f"blessed: accuracy {accuracy}, n = {report.notes:,}, {_against(report)}"
    reasons = "; ".join(f"{check.name}: {check.measured}, required: {check.asked}" for check in failed)
    return f"not blessed: {reasons}"


def interval(measured: Figure) -> str:
    """Format a share with its interval: `71.2% (61.0 – 80.1)`."""
    return f"{measured.value:.1%} ({100 * measured.low:.1f} – {100 * measured.high:.1f})"


def _against(report: GateReport) -> str:
    if not report.difference:
        return "no champion yet"
    points = 100 * report.difference.value
    return f"{points:+.1f} points over version {report.champion.version}"

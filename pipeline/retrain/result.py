"""What came of a run, read from the documents that its steps left. Imports no TFX."""

import contextlib
from typing import Any, TypeVar

from components.documents.data import DataGateVerdict, DriftVerdict
from components.documents.document import Document, Figure
from components.documents.models import CanaryReport, GateReport
from components.gate_report import read_report
from pipeline.history import past_runs
from pipeline.retrain.child import Result
from pipeline.step_names import without_span

D = TypeVar("D", bound=Document)


def result_of(run: past_runs.Run, version: int = 0) -> Result:
    """Return how a run has ended; `version` is what it pushed, if its Pusher had no time to say so."""
    pushed = run.steps["Pusher"].output("pushed_model") if "Pusher" in run.steps else None
    version = version or (int(pushed.properties.get("pushed_version", 0)) if pushed else 0)
    main = (
        read_report(gate, run.folder("Evaluator", "blessing"))
        if (gate := run.folder("Gate", "report"))
        else None
    )
    newest = _document(run, "GateNewest", "report", GateReport)
    words = ". ".join(
        part
        for part in (
            main.verdict if main else "",
            f"On the newest span: {newest.verdict}" if newest else "",
            _canary_words(run) if not version else "",
        )
        if part
    )
    drift = {
        name: found
        for name in run.steps
        if without_span(name) == "Drift" and (found := _document(run, name, "verdict", DriftVerdict))
    }
    gates = [
        _document(run, name, "verdict", DataGateVerdict)
        for name in run.steps
        if without_span(name) == "DataGate"
    ]
    checks = [check for verdict in (*gates, *drift.values()) if verdict for check in verdict.checks]
    return Result(
        ending="pushed" if version else "kept",
        words=words,
        run=run.name,
        version=version,
        accuracy=_accuracy(main.overall) if main else None,
        champion_accuracy=_accuracy(main.champion_overall) if main else None,
        facts={"drift": _newest(drift), "accuracy_newest": _accuracy(newest.overall) if newest else None},
        warnings=tuple(check.words for check in checks if check.outcome == "warn"),
    )


def _document(run: past_runs.Run, step: str, key: str, kind: type[D]) -> D | None:
    """Read what a step wrote down, none if the run has no such step, or its file is gone."""
    folder = run.folder(step, key)
    with contextlib.suppress(FileNotFoundError):
        return kind.read(folder) if folder else None
    return None


def _accuracy(overall: dict[str, Figure] | None) -> float | None:
    return overall["accuracy"].value if overall else None


def _canary_words(run: past_runs.Run) -> str:
    report = _document(run, "Canary", "report", CanaryReport)
    return report.verdict if report and not report.blessed else ""


def _newest(drift: dict[str, DriftVerdict]) -> dict[str, Any]:
    """Return the drift of the newest span that was judged, ready for JSON."""
    return drift[max(drift)].model_dump(mode="json") if drift else {}

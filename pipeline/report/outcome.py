"""How a run ended: pushed, not pushed, failed or still running, and why."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import nsynth
from components.documents.models import GateReport
from pipeline.history.endings import INTERRUPTED
from pipeline.report.html import capital
from pipeline.report.record import Absent, RunRecord

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The end of a run."""

    kind: Literal["pushed", "not pushed", "failed", "interrupted", "running"]
    words: str
    version: str
    """Number of the pushed version; empty if none was pushed."""
    gate: GateReport | None
    """None if the run did not reach the gate."""


def outcome_of(record: RunRecord) -> Outcome:
    """Tell how a run ended; of a failed run the step is named. Absent artifacts raise nothing."""
    gate = or_none(record.gate_report)
    version = pushed_version(record)
    if record.run.ending == INTERRUPTED and not version:
        where = f" in {record.stopped.name}" if record.stopped else ""
        return Outcome("interrupted", f"The run was interrupted{where}.", version, gate)
    if record.failed:
        return Outcome("failed", _why_failed(record, record.failed.name), version, gate)
    if version:
        verdict = f" {capital(gate.verdict)}." if gate else ""
        if record.finished("Pusher").state == "CACHED":
            words = (
                f"Cached: an earlier run with the same data and settings pushed version {version}.{verdict}"
            )
            return Outcome("pushed", words, version, gate)
        return Outcome("pushed", f"Pushed as version {version}.{verdict}", version, gate)
    if not record.step("Pusher") or any(step.state == "RUNNING" for step in record.run.steps.values()):
        return Outcome("running", "The run was still running when this page was written.", "", gate)
    words = _why_not(record, gate) if gate else "Not pushed; the gate's report has been removed since."
    return Outcome("not pushed", words, "", gate)


def _why_not(record: RunRecord, gate: GateReport) -> str:
    if not gate.blessed:
        return f"{capital(gate.verdict)}."
    for step in record.steps("Gate")[1:]:
        other = or_none(record.gate_report, step.name)
        if other and not other.blessed:
            return f"Blessed on the held-out notes, but on the newest span {other.verdict}."
    canary = or_none(record.canary_report)
    if canary and not canary.blessed:
        return f"Blessed by the gate, but {canary.verdict}."
    return f"{capital(gate.verdict)}, but not pushed."


def pushed_version(record: RunRecord) -> str:
    """Return the number of the version as which the model was pushed; empty if it was not."""
    step = record.step("Pusher")
    pushed = step.output("pushed_model") if step else None
    return str(pushed.properties.get("pushed_version", "")) if pushed else ""


def _why_failed(record: RunRecord, step: str) -> str:
    """Name the failed step and its error; without a stored error, the data gate's verdict."""
    reason = record.run.reason or _data_refused(record)
    return f"The run failed in {step}. {capital(reason)}".strip()


def _data_refused(record: RunRecord) -> str:
    """Return the data gate's reasons if it stopped the run, else an empty text."""
    content = or_none(record.data_verdict)
    if not content or content.accepted:
        return ""
    return (
        "The data gate refused the data: " + "; ".join(f"{c.name}: {c.words}" for c in content.stops()) + "."
    )


def or_none(read: Callable[..., T], *arguments: str) -> T | None:
    """Return what `read` returns, or None if its artifact is absent or damaged."""
    with contextlib.suppress(Absent, ValueError, nsynth.UserError):
        return read(*arguments)
    return None

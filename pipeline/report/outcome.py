"""How a run ended: pushed, not pushed, failed or still running, and why."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import nsynth
from components.documents import GateReport
from pipeline.history.endings import INTERRUPTED
from pipeline.report.record import Absent, RunRecord

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The end of a run."""

    kind: Literal["pushed", "not pushed", "failed", "interrupted", "running"]
    words: str
    version: str
    """Number as which the model was pushed, empty if it was not."""
    gate: GateReport | None
    """If the run came so far."""


def outcome_of(record: RunRecord) -> Outcome:
    """Never raises Absent: of a run that broke off it says where."""
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
            words = f"From the cache: an earlier run with the same data and settings pushed version {version}.{verdict}"
            return Outcome("pushed", words, version, gate)
        return Outcome("pushed", f"Pushed as version {version}.{verdict}", version, gate)
    if not record.step("Pusher") or any(step.state == "RUNNING" for step in record.run.steps.values()):
        return Outcome("running", "The run had not come to its end when this page was written.", "", gate)
    words = _why_not(record, gate) if gate else "Not pushed; the gate's report was cleaned up since."
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
    """Number of the version as which the model was pushed; empty if it was not."""
    step = record.step("Pusher")
    pushed = step.output("pushed_model") if step else None
    return str(pushed.properties.get("pushed_version", "")) if pushed else ""


def _why_failed(record: RunRecord, step: str) -> str:
    """The error of the step that failed, or what the data gate said, if it was not kept."""
    reason = record.run.reason or _data_refused(record)
    return f"The run failed in {step}. {capital(reason)}".strip()


def _data_refused(record: RunRecord) -> str:
    """What the data gate said, if it is why the run stopped."""
    content = or_none(record.data_verdict)
    if not content or content.accepted:
        return ""
    return (
        "The data gate refused the data: " + "; ".join(f"{c.name}: {c.words}" for c in content.stops()) + "."
    )


def capital(words: str) -> str:
    """With a capital letter to begin with."""
    return words[:1].upper() + words[1:]


def or_none(read: Callable[..., T], *arguments: str) -> T | None:
    """What `read` answers, or none if it is absent or damaged."""
    with contextlib.suppress(Absent, ValueError, nsynth.UserError):
        return read(*arguments)
    return None

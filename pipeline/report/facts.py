"""The main facts of one run, kept beside its page: what the index of all runs and scripts read.

They outlive the artifacts that they were read from, which housekeeping removes.
"""

import datetime
from pathlib import Path

import pydantic

from components.documents.data import DataGateVerdict, DriftVerdict
from components.documents.document import Figure
from pipeline.report.outcome import or_none, outcome_of
from pipeline.report.record import RunRecord
from pipeline.step_names import span_of

_DRIFT, _PREDICTION_DRIFT = "drift of ", "prediction drift"


class Drift(pydantic.BaseModel, frozen=True):
    """How far a span lies from the ones before it: 0 is the same distribution, 1 no overlap."""

    span: int
    distance: float | None = None
    """Largest distance of a feature."""
    feature: str = ""
    from_span: int | None = None
    predictions: float | None = None
    """Distance of the champion's predictions on the span from those on the span before."""

    @classmethod
    def of(cls, verdict: DriftVerdict) -> "Drift":
        """Return the facts of a verdict of Drift."""
        distances = [
            (distance, feature, span)
            for span, row in verdict.distances.items()
            for feature, distance in row.items()
        ]
        distance, feature, span = max(distances, default=(None, "", None))
        moved = next((c.measured for c in verdict.checks if c.name == _PREDICTION_DRIFT), None)
        return cls(span=verdict.span, distance=distance, feature=feature, from_span=span, predictions=moved)

    @classmethod
    def of_gate(cls, verdict: DataGateVerdict) -> "Drift | None":
        """Return the facts of a verdict of DataGate, None if it had nothing to compare the data with."""
        found = [
            (c.measured, c.name.removeprefix(_DRIFT)) for c in verdict.checks if c.name.startswith(_DRIFT)
        ]
        if not found or verdict.compared_with_span is None:
            return None
        distance, feature = max(found)
        return cls(
            span=verdict.span, distance=distance, feature=feature, from_span=verdict.compared_with_span
        )


class RunFacts(pydantic.BaseModel, frozen=True):
    """The main facts of one run."""

    run: str
    started: datetime.datetime
    seconds: float
    """Sum over its steps."""
    outcome: str
    words: str
    failed_step: str | None = None
    failed_checks: tuple[str, ...] = ()
    accuracy: Figure | None = None
    """Of the candidate, on `notes` held-out notes."""
    notes: int | None = None
    instruments: int | None = None
    champion: int = 0
    """Version that the candidate was compared with; 0 if there was none."""
    champion_accuracy: Figure | None = None
    """On the same notes."""
    version: int | None = None
    """The pushed version."""
    steps: int = 0
    cached: int = 0
    data: str = ""
    """Folder of the notes."""
    spans: tuple[int, ...] = ()
    notes_in: int | None = None
    notes_used: int | None = None
    quarantined: int | None = None
    drift: Drift | None = None


def facts_path(reports: Path, run: str) -> Path:
    """Return the path of a run's facts in the folder of reports."""
    return reports / f"{run.replace(':', '')}.json"


def facts_of(record: RunRecord) -> RunFacts:
    """Read the facts from the artifacts of a run. Absent artifacts raise nothing."""
    outcome, steps = outcome_of(record), record.run.steps.values()
    gate, account = outcome.gate, or_none(record.account)
    stopped = record.stopped if outcome.kind == "interrupted" else record.failed
    first = min((step.started for step in steps), default=0.0)
    spans = {span for step in record.steps("ExampleGen") if (span := span_of(step.name)) is not None}
    return RunFacts(
        run=record.run.name,
        started=datetime.datetime.fromtimestamp(first, datetime.UTC),
        seconds=round(sum(step.seconds for step in steps if step.state != "RUNNING"), 1),
        outcome=outcome.kind,
        words=outcome.words,
        failed_step=stopped.name if stopped else None,
        failed_checks=tuple(check.name for check in gate.failed()) if gate else (),
        accuracy=gate.overall.get("accuracy") if gate else None,
        notes=gate.notes if gate else None,
        instruments=gate.instruments if gate else None,
        champion=gate.champion.version if gate else 0,
        champion_accuracy=(gate.champion_overall or {}).get("accuracy") if gate else None,
        version=int(outcome.version) if outcome.version else None,
        steps=len(steps),
        cached=sum(step.state == "CACHED" for step in steps),
        data=record.ran_with.input_base if not spans else "",
        spans=tuple(sorted(spans)),
        notes_in=account.notes_in if account else None,
        notes_used=account.used if account else None,
        quarantined=account.quarantined if account else None,
        drift=_drift(record),
    )


def _drift(record: RunRecord) -> Drift | None:
    if verdict := or_none(record.drift_verdict):
        return Drift.of(verdict)
    judged = or_none(record.data_verdict)
    return Drift.of_gate(judged) if judged else None


def read_facts(path: Path) -> RunFacts | None:
    """Read the facts of a run; None if there are none, or another version of this code wrote them."""
    try:
        return RunFacts.model_validate_json(path.read_bytes())
    except (OSError, pydantic.ValidationError):
        return None

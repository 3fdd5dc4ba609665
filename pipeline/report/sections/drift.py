"""Drift of the newest span: distances from the accepted spans, and the champion's predictions."""

from typing import Any

from markupsafe import Markup

from components.documents.data import DriftVerdict
from pipeline.history.ledger import Ledger
from pipeline.report import charts, vega
from pipeline.report.record import Absent, RunRecord

_MOVED = "prediction drift"


def build(record: RunRecord) -> dict[str, Any]:
    """Return the verdict on the newest span, a map of distances, and what the champion made of each span."""
    if record.step("Drift") is None and not record.failed:
        raise Absent("Only the rounds of nsynth retrain, on data in spans, measure drift.")
    verdict = record.drift_verdict()
    seen = _seen(record, verdict)
    return {
        "verdict": verdict,
        "checks": verdict.checks,
        "farthest": _farthest(verdict.distances),
        "map": _map(verdict.distances, verdict.span) if verdict.distances else None,
        "seen": _answers(seen) if len(seen) > 1 else None,
    }


def _farthest(distances: dict[int, dict[str, float]]) -> tuple[float, str, int] | None:
    """Return the largest distance, of which feature, from which span."""
    return max(
        ((far, name, span) for span, row in distances.items() for name, far in row.items()), default=None
    )


def _map(distances: dict[int, dict[str, float]], newest: int) -> Markup:
    """Return a square for each feature and span: the darker, the farther the newest span lies from it."""
    rows = [
        {"span": span, "feature": feature, "distance": round(distance, 3)}
        for span, row in sorted(distances.items())
        for feature, distance in row.items()
    ]
    base = vega.Chart.of(rows).encode(
        x=vega.field("span:O", title="span", axis={"labelAngle": 0, "grid": False}),
        y=vega.field("feature:N", title=None, axis={"domain": False, "ticks": False}),
    )
    # Opacity, not colours of its own: it reads on light and dark paper alike.
    squares = base.mark("rect", fill=charts.CHAMPION).encode(
        opacity=vega.field(
            "distance:Q", scale={"domain": [0, 0.5], "range": [0.04, 1], "clamp": True}, legend=None
        ),
        tooltip=["span:O", "feature:N", "distance:Q"],
    )
    numbers = base.mark("text", fontSize=11).encode(text=vega.field("distance:Q", format=".2f"))
    chart = vega.layer(squares, numbers).properties(width=vega.step(40), height=vega.step(22))
    return charts.svg(chart, f"Distance of span {newest} from every accepted span, by feature")


def _seen(record: RunRecord, verdict: DriftVerdict) -> list[dict[str, Any]]:
    """Return a row for each span that a champion has seen: how often it agreed, how far its answers moved."""
    verdicts = {}
    for line in Ledger(record.config.workspace / "retrain" / "rounds.jsonl").rounds():
        facts = line.facts.get("drift") or {}
        if facts.get("answers"):
            verdicts[facts["span"]] = DriftVerdict.model_validate(facts)
        if line.run == record.run.name:  # later rounds do not belong to this report
            break
    if verdict.answers:
        verdicts[verdict.span] = verdict
    return [
        {
            "span": span,
            "agreement": seen.answers["new"].agreement,
            "moved": next(check.measured for check in seen.checks if check.name == _MOVED),
        }
        for span, seen in sorted(verdicts.items())
    ]


def _answers(seen: list[dict[str, Any]]) -> Markup:
    kinds = {"agreement": "label agreement", "moved": "prediction drift from the previous span"}
    rows = [{"span": row["span"], "what": kinds[kind], "value": row[kind]} for row in seen for kind in kinds]
    chart = (
        vega.Chart.of(rows)
        .mark("line", point=True, strokeWidth=2)
        .encode(
            x=vega.field("span:O", title="span", axis={"labelAngle": 0, "grid": False}),
            y=vega.field("value:Q", title=None, scale={"domain": [0, 1]}, axis={"tickCount": 5}),
            color=vega.field(
                "what:N",
                scale={"domain": list(kinds.values()), "range": list(charts.SERIES[:2])},
                title=None,
            ),
            tooltip=["span:O", "what:N", vega.field("value:Q", format=".3f")],
        )
        .properties(width=480, height=150)
    )
    return charts.svg(chart, "The champion's predictions by span")

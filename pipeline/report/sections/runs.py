"""Accuracy of this run's candidate beside that of the runs before it."""

from typing import Any

from markupsafe import Markup

from pipeline.report import charts, vega
from pipeline.report.facts import RunFacts, facts_of, read_facts
from pipeline.report.html import moment, percent
from pipeline.report.record import Absent, RunRecord

SHOWN = 20


def build(record: RunRecord) -> dict[str, Any]:
    """Draw the last runs up to this one, as far as they have a page or an entry in the index."""
    own = facts_of(record)
    folder = record.config.workspace / "reports"
    found = {facts.run: facts for path in folder.glob("*.json") if (facts := read_facts(path))} | {
        own.run: own
    }
    known = sorted(
        (f for f in found.values() if f.accuracy and f.started <= own.started), key=lambda f: f.started
    )
    if len(known) < 2:
        raise Absent("This is the first run with an accuracy in this workspace.")
    rows = [_row(facts, own) for facts in known[-SHOWN:]]
    return {"drawing": chart(rows), "rows": rows, "files": {"runs.csv": rows}}


def _row(facts: RunFacts, own: RunFacts) -> dict[str, Any]:
    assert facts.accuracy
    return {
        "run": moment(facts.started),
        "place": facts.run,
        "accuracy": facts.accuracy.value,
        "low": facts.accuracy.low,
        "high": facts.accuracy.high,
        "notes": facts.notes,
        "outcome": "this run" if facts.run == own.run else facts.outcome,
    }


def chart(rows: list[dict[str, Any]]) -> Markup:
    """Draw a dot with its interval for each run, the oldest to the left."""
    outcomes = {
        "this run": charts.CHAMPION,
        "pushed": charts.GOOD,
        "not pushed": charts.CANDIDATE,
        "failed": charts.BAD,
        "interrupted": charts.MUTED,
        "running": charts.MUTED,
    }
    present = [name for name in outcomes if any(row["outcome"] == name for row in rows)]
    ordered = [
        {
            **row,
            "number": number,
            "tip": charts.tip_of(
                f"{row['run']}; {row['outcome']}", row["accuracy"], row["low"], row["high"], row["notes"]
            ),
        }
        for number, row in enumerate(rows)
    ]
    base = vega.Chart.of(ordered)
    axis = {"labels": False, "ticks": False, "grid": False}
    x = vega.field("number:O", title=None, axis=axis)
    scale = {"domain": [0, min(1.0, 1.15 * max(row["high"] for row in rows) or 1.0)]}
    y_axis = {"format": ".0%", "tickCount": 5}
    colours = {"domain": present, "range": [outcomes[name] for name in present]}
    colour = vega.field("outcome:N", scale=colours, legend={})
    layers = [
        base.mark("rule", strokeWidth=2, opacity=0.5).encode(
            x=x,
            y=vega.field("low:Q", title=None, scale=scale, axis=y_axis),
            y2="high:Q",
            color=colour,
            description=charts.TIP,
        ),
        base.mark("point", filled=True, size=90, opacity=1).encode(
            x=x, y=vega.field("accuracy:Q", scale=scale), color=colour, description=charts.TIP
        ),
    ]
    drawn = vega.layer(*layers).properties(width=max(220, 34 * len(rows)), height=180)
    last = rows[-1]
    return charts.svg(drawn, f"Accuracy of the last {len(rows)} runs; this run {percent(last['accuracy'])}")

"""Start, duration and peak memory of each step."""

from typing import Any

from markupsafe import Markup

from pipeline.history.step_memory import PEAK_MEMORY
from pipeline.report import charts, vega
from pipeline.report.html import duration
from pipeline.report.record import RunRecord

_STATES = {"COMPLETE": "ran", "CACHED": "cached", "FAILED": "failed", "RUNNING": "running"}


def build(record: RunRecord) -> dict[str, Any]:
    """Return a timeline and a table."""
    rows = table(record)
    return {
        "steps": rows,
        "timeline": timeline(rows),
        "total": duration(sum(row["seconds"] for row in rows)),
        "files": {"steps.csv": rows},
        "has_memory": any(row["memory_mb"] for row in rows),
    }


def table(record: RunRecord) -> list[dict[str, Any]]:
    """Return the steps in the order in which they ran; `start` in seconds since the first."""
    steps = sorted(record.run.steps.values(), key=lambda step: step.started)
    first = steps[0].started if steps else 0.0
    return [
        {
            "step": step.name,
            "state": _STATES.get(step.state, step.state.lower()),
            "start": step.started - first,
            "end": step.started - first + step.seconds,
            "seconds": step.seconds,
            "memory_mb": step.properties.get(PEAK_MEMORY),
            "execution_id": step.execution_id,
        }
        for step in steps
    ]


def timeline(rows: list[dict[str, Any]]) -> Markup:
    """Return a bar for each step from its start to its end."""
    names = [row["step"] for row in rows]
    states = {
        "ran": charts.CANDIDATE,
        "cached": charts.MUTED,
        "failed": charts.BAD,
        "running": charts.CHAMPION,
    }
    present = [state for state in states if any(row["state"] == state for row in rows)]
    base = vega.Chart.of(rows)
    y = vega.field("step:N", sort=names, title=None, axis={"domain": False, "ticks": False})
    colour = vega.field(
        "state:N",
        scale={"domain": present, "range": [states[state] for state in present]},
        legend={},
    )
    tooltip = [
        "step:N",
        "state:N",
        vega.field("start:Q", format=".1f"),
        vega.field("seconds:Q", format=".2f"),
    ]
    drawn = (
        base.mark("bar", height={"band": 0.65}, cornerRadius=2, minBandSize=2)
        .encode(
            x=vega.field("start:Q", title="seconds since the first step began"),
            x2="end:Q",
            y=y,
            color=colour,
            tooltip=tooltip,
        )
        .properties(width=340, height=vega.step(22))
    )
    return charts.svg(drawn, "Timeline of the steps")

"""The picture of a soak: how good the champion was, how each day ended, and what it cost."""

from pathlib import Path
from typing import Any

from benchmarks import pictures
from pipeline.report import charts, vega

COLOURS = {
    "pushed": charts.GOOD,
    "kept": charts.CANDIDATE,
    "no new data": charts.GRID,
    "refused": charts.CHAMPION,
    "failed": charts.BAD,
    "crashed": "var(--purple)",
}
_WIDTH = 860  # pixels
_LINES = {"peak_memory_mb": "peak memory", "workspace_mb": "workspace"}


def draw(result: dict[str, Any], file: Path) -> None:
    """Draw the month.

    Args:
      result: what benchmarks.soak wrote.
      file: an SVG file.
    """
    days = result["days"]
    rounds = [
        {
            "day": day["day"],
            "place": place,
            "top": place + 1,
            "outcome": line["outcome"],
            "accuracy": line["accuracy"],
        }
        for day in days
        for place, line in enumerate(day["rounds"])
    ]
    costs = [
        {"day": day["day"], "MB": day[key], "what": label} for day in days for key, label in _LINES.items()
    ]
    unusual = [
        {"day": day["day"], "top": len(day["rounds"]) + 0.2, "kind": day["kind"]}
        for day in days
        if day["kind"] != "ordinary"
    ]
    day = vega.field("day:Q", title=None, scale={"domain": [0, len(days) + 1]}, axis={"grid": False})
    of_outcome = vega.field(
        "outcome:N", title=None, scale={"domain": list(COLOURS), "range": list(COLOURS.values())}
    )
    accuracy = vega.layer(
        vega.Chart.of(days)
        .mark("line", interpolate="step-after", color=charts.GOOD)
        .encode(x=day, y=vega.field("champion_accuracy:Q", title="accuracy on the held-out notes")),
        vega.Chart.of(rounds).mark("circle", size=40).encode(x=day, y="accuracy:Q", color=of_outcome),
    )
    nights = vega.layer(
        vega.Chart.of(rounds)
        .mark("rect", width=0.9 * _WIDTH / (len(days) + 1))
        .encode(x=day, y=vega.field("place:Q", title="rounds", axis=None), y2="top:Q", color=of_outcome),
        vega.Chart.of(unusual)
        .mark("text", angle=300, align="left", color=charts.INK)
        .encode(x=day, y=vega.field("top:Q", scale={"domain": [0, 5]}), text="kind:N"),
    )
    cost = (
        vega.Chart.of(costs)
        .mark("line", point=True)
        .encode(
            x={**day, "title": "day"},
            y="MB:Q",
            color=vega.field(
                "what:N",
                title=None,
                scale={"domain": list(_LINES.values()), "range": list(charts.SERIES[:2])},
            ),
        )
    )
    title = "Line: the champion. Dots: candidates. Pushed only if the lower 95 % bound of the improvement is above 0"
    parts = (
        accuracy.properties(title=title, height=230),
        nights.properties(height=90),
        cost.properties(height=120),
    )
    stacked = {
        "vconcat": [part.properties(width=_WIDTH).spec for part in parts],
        "resolve": {"scale": {"color": "independent"}},
    }
    pictures.save(
        vega.Chart(stacked), "A soak: the champion's accuracy, each day's rounds, and what they cost", file
    )

"""Accuracy against the number of instruments learned from, and what it would take to be further ahead."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pictures
from pipeline.report import charts, vega

CONTENDERS = ("ours", "extra-trees")
ACCURACY = "accuracy"
COLUMNS = {ACCURACY: "instruments not in train", "recordings": "recordings", "real notes": "real notes"}
AIM = 0.08  # of accuracy that ours is to be ahead

Row = dict[str, Any]
"""A result: `contender`, `seed`, `train_instruments`, and `figures` by column."""
Curve = dict[str, list[Row]]
"""Contender → its rows, from few instruments to many."""


def curve(rows: Iterable[Row]) -> Curve:
    """Sort the first fold's rows; empty unless every contender has two points or more, and the same ones."""
    first = sorted((row for row in rows if row["seed"] == 0), key=_instruments)
    points = {name: [row for row in first if row["contender"] == name] for name in CONTENDERS}
    places = {tuple(map(_instruments, line)) for line in points.values()}
    return points if len(places) == 1 and len(places.pop()) > 1 else {}


def columns(points: Curve) -> list[str]:
    """Those of COLUMNS that every point has a figure of."""
    return [
        name for name in COLUMNS if all(name in row["figures"] for line in points.values() for row in line)
    ]


def lines(points: Curve) -> Iterator[str]:
    """In words, for each column: the lead at each point, and what it takes to reach the aim if nothing changes."""
    for column in columns(points) if points else ():
        ours, other = ([row["figures"][column].value for row in line] for line in points.values())
        counts, leads = list(map(_instruments, points["ours"])), np.subtract(ours, other).tolist()
        told = ", ".join(f"{100 * lead:+.1f} with {n}" for lead, n in zip(leads, counts, strict=True))
        yield f"Learning curve, {COLUMNS[column]}: ours less {CONTENDERS[1]}, points by train instruments: {told}"
        gain = growth(counts, leads)
        needed = _needed(counts[-1], leads[-1], gain)
        yield f"  a doubling of the instruments adds {100 * gain:+.1f} points to the lead; {needed}"


def growth(counts: Sequence[int], values: Sequence[float]) -> float:
    """Return the least-squares slope of `values` over the binary logarithm of `counts`: what a doubling adds."""
    return float(np.polyfit(np.log2(counts), values, 1)[0])


def _instruments(row: Row) -> int:
    return int(row["train_instruments"])


def _needed(count: int, lead: float, gain: float) -> str:
    if lead >= AIM:
        return f"the aim of {100 * AIM:.0f} is met"
    if gain <= 0:
        return f"more instruments alone do not lead to {100 * AIM:.0f}"
    needed = count * 2 ** ((AIM - lead) / gain)
    return f"EXTRAPOLATED, {100 * AIM:.0f} would take {needed:,.0f} instruments"


def draw(points: Curve, file: Path) -> None:
    """Draw, for each column that there are figures of, a line for each contender, with intervals."""
    counts = list(map(_instruments, points[CONTENDERS[0]]))
    scale = {"type": "log", "base": 2, "domain": [counts[0], counts[-1]]}
    x = vega.field("instruments:Q", title="Instruments in train", scale=scale, axis={"values": counts})
    colours = {"domain": list(CONTENDERS), "range": [charts.CANDIDATE, charts.CHAMPION]}
    parts = []
    for column in columns(points):
        rows = [
            {"contender": contender, "instruments": _instruments(row), **row["figures"][column].model_dump()}
            for contender, line in points.items()
            for row in line
        ]
        colour = vega.field("contender:N", scale=colours, legend={"symbolOpacity": 1, "title": None})
        base = vega.Chart.of(rows).encode(x=x, color=colour)
        y = vega.field("value:Q", title="Accuracy", scale={"zero": False}, axis={"format": "%"})
        band = base.mark("area", opacity=0.15).encode(y={**y, "field": "low"}, y2="high:Q")
        parts.append(vega.layer(band, base.mark("line", point=True).encode(y=y)))
    drawn = [
        part.properties(title=COLUMNS[column], width=320, height=240).spec
        for column, part in zip(columns(points), parts, strict=True)
    ]
    together = vega.Chart({"hconcat": drawn, "resolve": {"scale": {"y": "shared"}}})
    pictures.save(together, "Accuracy against the number of train instruments", file)

"""Accuracy against the number of instruments learned from, and what it would take to be further ahead."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import pictures

CONTENDERS = ("ours", "extra-trees")
COLUMNS = {"micro": "instruments not in train", "real": "real notes"}
AIM = 0.08  # of accuracy that ours is to be ahead

Row = Mapping[str, Any]
Curve = dict[str, list[dict[str, Any]]]
"""Contender → points: `instruments`, and a figure with its interval by each of COLUMNS; from few to many."""


def curve(rows: Iterable[Row]) -> Curve:
    """Sort the first fold's rows; empty unless every contender has two points or more, and the same ones."""
    points: Curve = {name: [] for name in CONTENDERS}
    for row in rows:
        if row["contender"] in points and row["seed"] == 0:
            point = {"instruments": row["train_instruments"], **{name: row[name] for name in COLUMNS}}
            points[row["contender"]].append(point)
    for of_contender in points.values():
        of_contender.sort(key=lambda point: point["instruments"])
    places = {tuple(point["instruments"] for point in of_contender) for of_contender in points.values()}
    return points if len(places) == 1 and len(places.pop()) > 1 else {}


def columns(points: Curve) -> list[str]:
    """Those of COLUMNS that every point has a figure of."""
    return [column for column in COLUMNS if all(point[column] for line in points.values() for point in line)]


def lines(points: Curve) -> Iterator[str]:
    """In words, for each column: the lead at each point, and what it takes to reach the aim if nothing changes."""
    for column in columns(points) if points else ():
        ours, other = points.values()
        counts = [point["instruments"] for point in ours]
        leads = [a[column]["value"] - b[column]["value"] for a, b in zip(ours, other, strict=True)]
        told = ", ".join(f"{100 * lead:+.1f} with {n}" for lead, n in zip(leads, counts, strict=True))
        yield f"Learning curve, {COLUMNS[column]}: ours less {CONTENDERS[1]}, points by train instruments: {told}"
        gain = growth(counts, leads)
        yield f"  a doubling of the instruments adds {100 * gain:+.1f} points to the lead; " + _needed(
            counts[-1], leads[-1], gain
        )


def growth(counts: Sequence[int], values: Sequence[float]) -> float:
    """Return the least-squares slope of `values` over the binary logarithm of `counts`: what a doubling adds."""
    places = [math.log2(count) for count in counts]
    middle, mean = sum(places) / len(places), sum(values) / len(values)
    rise = sum((place - middle) * (value - mean) for place, value in zip(places, values, strict=True))
    return rise / sum((place - middle) ** 2 for place in places)


def _needed(count: int, lead: float, gain: float) -> str:
    if lead >= AIM:
        return f"the aim of {100 * AIM:.0f} is met"
    if gain <= 0:
        return f"more instruments alone do not lead to {100 * AIM:.0f}"
    needed = count * 2 ** ((AIM - lead) / gain)
    return f"EXTRAPOLATED, {100 * AIM:.0f} would take {needed:,.0f} instruments"


def draw(points: Curve, file: Path) -> None:
    """Draw, for each column that there are figures of, a line for each contender, with intervals."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(8, 4), layout="constrained")
    shown = columns(points)
    for column, axes in zip(
        shown, canvas.subplots(1, len(shown), sharey=True, squeeze=False)[0], strict=True
    ):
        for (contender, line), colour in zip(points.items(), (pictures.BLUE, pictures.ORANGE), strict=True):
            counts = [point["instruments"] for point in line]
            value, low, high = (
                [100 * point[column][key] for point in line] for key in ("value", "low", "high")
            )
            axes.plot(counts, value, marker="o", label=contender, color=colour)
            axes.fill_between(counts, low, high, alpha=0.15, color=colour, linewidth=0)
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set(xlabel="Instruments in train", title=COLUMNS[column])
        axes.grid(alpha=0.3)
    canvas.axes[0].set_ylabel("Accuracy, %")
    canvas.axes[0].legend()
    pictures.save(canvas, file)

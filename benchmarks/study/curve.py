"""Accuracy against the number of instruments learned from, and what it would take to be further ahead."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pictures

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
    from matplotlib.figure import Figure as Canvas

    shown = columns(points)
    canvas = Canvas(figsize=(4 * len(shown), 4), layout="constrained")
    for column, axes in zip(
        shown, canvas.subplots(1, len(shown), sharey=True, squeeze=False)[0], strict=True
    ):
        for (contender, line), colour in zip(points.items(), (pictures.BLUE, pictures.ORANGE), strict=True):
            counts, found = list(map(_instruments, line)), [row["figures"][column] for row in line]
            value, low, high = (
                [100 * getattr(figure, end) for figure in found] for end in ("value", "low", "high")
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

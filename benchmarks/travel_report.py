"""What `benchmarks.travel` prints from the kept answers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.travel_sets import Set
from components.documents.document import Figure
from components.gate.bootstrap import Resampling, figure

_RESAMPLES, _CONFIDENCE, _SEED = 2000, 0.95, 0
TRAVEL = "travel"

Results = Sequence[Mapping[str, Any]]
Hits = dict[str, np.ndarray]
"""Name of a set → share of the models that are right, by note."""


def show(results: Results, sets: Sequence[Set], name: str, part: str, looks: int) -> None:
    """Print accuracy of each row on each set, and what the row `name` has more than each other one."""
    console = Console(width=150)
    rows = {row: hits_of(results, sets, row) for row in dict.fromkeys(r["contender"] for r in results)}
    columns = [asked.name for asked in sets]
    table = Table("row", *columns, TRAVEL, "models", "CPU min",
                  title=f"{part.capitalize()} part: accuracy, %, 95 % intervals by instrument",
                  caption=f"The {part} part was asked {looks} times.")  # fmt: skip
    for row, hits in rows.items():
        own = [r for r in results if r["contender"] == row]
        cpu = f"{sum(r['cpu_s'] for r in own) / len(own) / 60:.1f}"
        table.add_row(row, *_cells(hits, sets), str(len(own)), cpu)
    console.print(table)
    less = Table(f"{name} minus", *columns, TRAVEL, title="Points, paired by note")
    for row in rows:
        if row != name and (both := difference(results, sets, name, row)):
            less.add_row(row, *_cells(both, sets))
    if less.row_count:
        console.print(less)
    console.print(f"In all {sum(r['wall_s'] for r in results) / 60:.0f} minutes of training.")


def hits_of(results: Results, sets: Sequence[Set], row: str) -> Hits:
    """Return the share of a row's models, over seeds and folds, that are right about each note."""
    hits = {}
    for asked in sets:
        answers = [
            r["answers"][asked.name] for r in results if r["contender"] == row and asked.name in r["answers"]
        ]
        if answers:
            hits[asked.name] = np.mean([np.array(answer) == asked.families for answer in answers], axis=0)
    return hits


def difference(results: Results, sets: Sequence[Set], name: str, other: str) -> Hits:
    """Return what the row `name` has more than `other`, by note; only folds that both have been trained on count."""
    folds = [{r["fold"] for r in results if r["contender"] == row} for row in (name, other)]
    shared = [r for r in results if r["fold"] in folds[0] & folds[1]]
    ours, theirs = (hits_of(shared, sets, row) for row in (name, other))
    return {asked: ours[asked] - theirs[asked] for asked in ours if asked in theirs}


def travel(figures: Sequence[Figure]) -> Figure:
    """Return the mean over independent sets; their intervals' halves are added as independent errors are."""
    value, k = sum(f.value for f in figures) / len(figures), len(figures)
    below, above = (
        math.hypot(*(f.value - f.low for f in figures)),
        math.hypot(*(f.high - f.value for f in figures)),
    )
    return figure(value, value - below / k, value + above / k)


def figures_of(hits: Hits, sets: Sequence[Set]) -> dict[str, Figure]:
    """Return the mean of each set that was asked, with its interval over instruments, and TRAVEL where all were."""
    found = {}
    for asked in sets:
        if asked.name in hits:
            resampling = Resampling.of(asked.instruments, _RESAMPLES, _CONFIDENCE, _SEED)
            found[asked.name] = resampling.mean(hits[asked.name])
    if sets and len(found) == len(sets):
        found[TRAVEL] = travel(list(found.values()))
    return found


def _cells(hits: Hits, sets: Sequence[Set]) -> list[str]:
    figures = figures_of(hits, sets)
    columns = [*(asked.name for asked in sets), TRAVEL]
    return [_told(figures.get(column)) for column in columns]


def _told(found: Figure | None) -> str:
    return f"{100 * found.value:.1f} [{100 * found.low:.0f}, {100 * found.high:.0f}]" if found else "–"

"""Figures of kept answers, with intervals over instruments, and the tables that show them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from components.documents.document import Figure
from components.gate.bootstrap import Resampling, figure
from components.gate.figures import macro_recall

if TYPE_CHECKING:
    from benchmarks.study.notes import Set

_RESAMPLES, _CONFIDENCE, _SEED = 2000, 0.95, 0
TRAVEL = "travel"

Results = Sequence[Mapping[str, Any]]
Hits = Mapping[str, np.ndarray]
"""Name of a set → share of the models that are right, by note."""
Figures = dict[str, Figure]


@dataclass(frozen=True)
class Column:
    """Sets that are put together.

    Attributes:
      name: for the tables.
      sets: whose notes count; those that nobody was asked about are left out.
      out_of_domain: whether it counts for TRAVEL, the mean over columns.
      macro: mean of the families' recalls instead of accuracy.
    """

    name: str
    sets: "Sequence[Set]"
    out_of_domain: bool = False
    macro: bool = False

    def figure(self, hits: Hits) -> Figure | None:
        """Return the mean over the notes, with its interval over instruments."""
        there = [asked for asked in self.sets if asked.name in hits]
        if not there:
            return None
        values = np.concatenate([hits[asked.name] for asked in there])
        resampling = resampled(np.concatenate([asked.instruments for asked in there]))
        if self.macro:
            return macro_recall(values, np.concatenate([asked.families for asked in there]), resampling)
        return resampling.mean(values)


def resampled(instruments: np.ndarray) -> Resampling:
    """Draw the resamples that all tables of these benchmarks use."""
    return Resampling.of(instruments, _RESAMPLES, _CONFIDENCE, _SEED)


def columns_of(sets: "Iterable[Set]") -> list[Column]:
    """Return a column for each set of out-of-domain sounds."""
    return [Column(asked.name, [asked], out_of_domain=True) for asked in sets]


def hits_of(results: Results, columns: Iterable[Column]) -> dict[str, np.ndarray]:
    """Return the share of the models, over seeds and folds, that are right about each note."""
    hits = {}
    for asked in {asked.name: asked for column in columns for asked in column.sets}.values():
        every = (result["answers"].get(asked.name, ()) for result in results)
        if answers := [answer for answer in every if len(answer) == len(asked)]:
            hits[asked.name] = np.mean([np.array(answer) == asked.families for answer in answers], axis=0)
    return hits


def difference(results: Results, columns: Sequence[Column], name: str, other: str) -> dict[str, np.ndarray]:
    """Return what the row `name` has more than `other`, by note; only folds that both have been trained on count."""
    folds = [{r["fold"] for r in results if r["contender"] == row} for row in (name, other)]
    ours, theirs = (
        hits_of([r for r in results if r["contender"] == row and r["fold"] in folds[0] & folds[1]], columns)
        for row in (name, other)
    )
    return {asked: ours[asked] - theirs[asked] for asked in ours if asked in theirs}


def travel(found: Sequence[Figure]) -> Figure:
    """Return the mean over independent sets; their intervals' halves are added as independent errors are."""
    value, k = sum(f.value for f in found) / len(found), len(found)
    below = math.hypot(*(f.value - f.low for f in found))
    above = math.hypot(*(f.high - f.value for f in found))
    return figure(value, value - below / k, value + above / k)


def figures_of(hits: Hits, columns: Sequence[Column]) -> Figures:
    """Return the figure of each column that was asked, and TRAVEL where all out-of-domain ones were."""
    found = {column.name: value for column in columns if (value := column.figure(hits))}
    out_of_domain = [column.name for column in columns if column.out_of_domain]
    if out_of_domain and all(name in found for name in out_of_domain):
        found[TRAVEL] = travel([found[name] for name in out_of_domain])
    return found


def by_contender(results: Results) -> dict[str, Results]:
    """Sort results by row."""
    rows = dict.fromkeys(result["contender"] for result in results)
    return {row: [result for result in results if result["contender"] == row] for row in rows}


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Figures, Results]],
    columns: Sequence[Column],
    caption: str | None = None,
) -> Table:
    """Lay out rows of labels, figures in percent and, of rows with results, what a model's training takes."""
    rows = list(rows)
    names = [column.name for column in columns]
    names += [TRAVEL] * any(TRAVEL in found for _, found, _ in rows)
    costs = any(results for *_, results in rows)
    made = Table(
        *head, *names, *(("models", "min", "CPU min") if costs else ()), title=title, caption=caption
    )
    for labels, found, results in rows:
        cost = [str(len(results)), *(_minutes(results, key) for key in ("wall_s", "cpu_s"))] if costs else []
        made.add_row(*labels, *(percent(found.get(name)) for name in names), *cost)
    return made


def show(
    results: Results, columns: Sequence[Column], name: str, title: str, caption: str | None = None
) -> dict[str, dict[str, Figures]]:
    """Print the figures of each row, and what the row `name` has more than each other one; return both."""
    own = by_contender(results)
    rows = {row: figures_of(hits_of(of_row, columns), columns) for row, of_row in own.items()}
    print_table(table(title, ["row"], (([row], rows[row], own[row]) for row in rows), columns, caption))
    compared = [column for column in columns if not column.macro]
    less = {
        row: figures_of(difference(results, compared, name, row), compared) for row in rows if row != name
    }
    less = {row: found for row, found in less.items() if found}
    if less:
        lines = (([row], found, ()) for row, found in less.items())
        print_table(table("Points, paired by note", [f"{name} minus"], lines, compared))
    return {"rows": rows, "minus": less}


def percent(found: Figure | None, digits: int = 0) -> str:
    """Write a figure and its interval in percent, the bounds with so many digits."""
    if found is None:
        return "–"
    return f"{100 * found.value:.1f} [{100 * found.low:.{digits}f}, {100 * found.high:.{digits}f}]"


def print_table(made: Table) -> None:
    """Print a table, as wide as it is."""
    Console(width=200).print(made)


def _minutes(results: Results, key: str) -> str:
    return f"{sum(result[key] for result in results) / len(results) / 60:.1f}" if results else "–"

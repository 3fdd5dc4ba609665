"""What `benchmarks.accuracy` prints and draws from the kept answers."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import nsynth
from benchmarks import accuracy_curve, pictures
from benchmarks.accuracy_data import Notes
from benchmarks.accuracy_folds import FOLDS, HELD_OUT
from components.gate.bootstrap import Resampling
from components.gate.figures import confusion, macro_recall

_RESAMPLES, _CONFIDENCE, _SEED = 2000, 0.95, 0
CROSS = [f"fold{number}" for number in range(FOLDS)]

Results = list[dict[str, Any]]
Figure = dict[str, float]  # value, low, high
Pairs = list[tuple[dict[str, Any], dict[str, Any]]]
"""Results of ours and of another contender on the same fold."""


def show(results: Results, jobs: list[Any], notes: Notes, transfer: Notes | None, folder: Path) -> None:
    """Print all tables that there are results for, draw the pictures, write summary.json."""
    console = Console(width=150)
    summary = summarize(results, notes, transfer)
    console.print(_main_table(summary["contenders"]))
    if summary["ours_minus"]:
        console.print(_differences(summary["ours_minus"]))
    if summary["first_fold"]:
        console.print(_first_fold(summary["first_fold"]))
    for line in accuracy_curve.lines(summary["curve"]):
        console.print(line, highlight=False)
    folder.mkdir(parents=True, exist_ok=True)
    if summary["curve"]:
        accuracy_curve.draw(summary["curve"], folder / "learning_curve.svg")
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    counts = np.array(summary["confusion"])
    if counts.any():
        draw_confusion(counts, folder / "confusion.svg")
    missing = len(jobs) - len(results)
    if missing:
        console.print(
            f"{missing} of {len(jobs)} trainings are still to do: the same command goes on with them."
        )
    console.print(f"Written to {folder}")


def summarize(results: Results, notes: Notes, transfer: Notes | None) -> dict[str, Any]:
    """Return all figures.

    Returns:
      contenders: by contender, figures of the cross-validation, of each lineage held out, and on real notes.
      ours_minus: ours less the opponent's accuracy on the same notes, by column.
      first_fold: a row for each training on the first fold: seeds, ablations, fewer instruments.
      curve: accuracy against the number of instruments, see `accuracy_curve.curve`.
      confusion: of ours over the folds that are there, int [families, families].
    """
    seed0 = [result for result in results if result["seed"] == 0]
    contenders: dict[str, Any] = {}
    for name in dict.fromkeys(r["contender"] for r in seed0 if not r["contender"].startswith("ours-")):
        own = [result for result in seed0 if result["contender"] == name]
        contenders[name] = {
            "cross": _figures([r for r in own if r["fold"] in CROSS], notes),
            "lineages": {
                font: _figures([r for r in own if r["fold"] == HELD_OUT + font], notes)
                for font in dict.fromkeys(notes.font.tolist())
            },
            "real": _transfer([r for r in own if r["fold"] in CROSS], transfer),
        }
    ours = [r for r in seed0 if r["contender"] == "ours" and r["fold"] in CROSS]
    counts = sum((_counts(r, notes) for r in ours), np.zeros((len(nsynth.FAMILIES),) * 2, int))
    first_fold = [_row(r, notes, transfer) for r in results if r["fold"].startswith(CROSS[0])]
    return {
        "contenders": contenders,
        "ours_minus": _minus(seed0, notes, transfer),
        "first_fold": first_fold,
        "curve": accuracy_curve.curve(first_fold),
        "confusion": counts.tolist(),
    }


def _figures(results: Results, notes: Notes) -> dict[str, Any] | None:
    """Return accuracy over all notes (micro) and mean of the families' recalls (macro), of the folds put together."""
    if not results:
        return None
    test = np.concatenate([result["test"] for result in results])
    answers = np.concatenate([result["answers"] for result in results])
    families = notes.family[test]
    resampling = Resampling.of(notes.instrument[test], _RESAMPLES, _CONFIDENCE, _SEED)
    return {
        "folds": len(results),
        "notes": len(test),
        "instruments": resampling.instruments,
        "micro": resampling.share(answers == families).model_dump(),
        "macro": macro_recall(answers, families, resampling).model_dump(),
        **{key: float(np.mean([result[key] for result in results])) for key in ("wall_s", "cpu_s")},
    }


def _transfer(results: Results, transfer: Notes | None) -> Figure | None:
    """Return accuracy on real notes, the mean over the folds' models."""
    results = [result for result in results if result["real_answers"]]
    if not results or transfer is None:
        return None
    return _of_real(transfer).mean(_real_hits(results, transfer)).model_dump()


def _real_hits(results: Results, transfer: Notes) -> np.ndarray:
    """Return the share of the models that are right, by real note."""
    return np.mean([np.array(result["real_answers"]) == transfer.family for result in results], axis=0)


def _of_real(transfer: Notes) -> Resampling:
    return Resampling.of(transfer.instrument, _RESAMPLES, _CONFIDENCE, _SEED)


def _minus(results: Results, notes: Notes, transfer: Notes | None) -> dict[str, dict[str, Figure]]:
    """Ours less each other contender on the same notes, with the interval of the difference."""
    by_job = {(result["contender"], result["fold"]): result for result in results}
    held_out = list(dict.fromkeys(fold for _, fold in by_job if fold.startswith(HELD_OUT)))

    def pairs(other: str, folds: list[str]) -> Pairs:
        both = ((by_job.get(("ours", fold)), by_job.get((other, fold))) for fold in folds)
        return [(ours, theirs) for ours, theirs in both if ours and theirs]

    others = dict.fromkeys(r["contender"] for r in results if not r["contender"].startswith("ours"))
    found = {
        other: {
            "cross": _difference(pairs(other, CROSS), notes),
            "lineages": _difference(pairs(other, held_out), notes),
            "real": _real_difference(pairs(other, CROSS), transfer),
        }
        for other in others
    }
    known = {other: {name: f for name, f in columns.items() if f} for other, columns in found.items()}
    return {other: columns for other, columns in known.items() if columns}


def _difference(pairs: Pairs, notes: Notes) -> Figure | None:
    if not pairs:
        return None
    test = np.concatenate([ours["test"] for ours, _ in pairs])
    ours, other = (
        np.concatenate([pair[side]["answers"] for pair in pairs]) == notes.family[test] for side in (0, 1)
    )
    resampling = Resampling.of(notes.instrument[test], _RESAMPLES, _CONFIDENCE, _SEED)
    return resampling.mean(ours.astype(float) - other).model_dump()


def _real_difference(pairs: Pairs, transfer: Notes | None) -> Figure | None:
    if transfer is None or not pairs or not all(result["real_answers"] for pair in pairs for result in pair):
        return None
    ours, other = (_real_hits(list(side), transfer) for side in zip(*pairs, strict=True))
    return _of_real(transfer).mean(ours - other).model_dump()


def _row(result: dict[str, Any], notes: Notes, transfer: Notes | None) -> dict[str, Any]:
    named = ("contender", "fold", "seed", "train_instruments", "train_notes")
    return {
        **{name: result[name] for name in named},
        **(_figures([result], notes) or {}),
        "real": _transfer([result], transfer),
    }


def _counts(result: dict[str, Any], notes: Notes) -> np.ndarray:
    return confusion(np.array(result["answers"]), notes.family[np.array(result["test"])])


def _told(figure: Figure | None, digits: int = 1) -> str:
    if figure is None:
        return "–"
    value, low, high = (100 * figure[name] for name in ("value", "low", "high"))
    return f"{value:.{digits}f} [{low:.0f}, {high:.0f}]"


def _main_table(contenders: Mapping[str, Any]) -> Table:
    fonts = list(dict.fromkeys(font for columns in contenders.values() for font in columns["lineages"]))
    heads = (
        "contender",
        "folds",
        "micro",
        "macro",
        *(f"{font} held out" for font in fonts),
        "real notes",
        "min",
        "CPU min",
    )
    table = Table(*heads, title="Accuracy on instruments not in train, %, 95 % intervals by instrument")
    for name, columns in contenders.items():
        cross, held_out = columns["cross"], columns["lineages"].values()
        table.add_row(
            name,
            f"{cross['folds']} of {FOLDS}" if cross else "–",
            _told(cross and cross["micro"]),
            _told(cross and cross["macro"]),
            *(_told(lineage and lineage["micro"]) for lineage in held_out),
            _told(columns["real"]),
            *(f"{cross[key] / 60:.1f}" if cross else "–" for key in ("wall_s", "cpu_s")),
        )
    return table


def _differences(ours_minus: Mapping[str, Mapping[str, Figure]]) -> Table:
    table = Table(
        "ours less",
        "cross-validation",
        "lineages held out",
        "real notes",
        title="Points of micro accuracy",
    )
    for other, columns in ours_minus.items():
        table.add_row(other, *(_told(columns.get(column)) for column in ("cross", "lineages", "real")))
    return table


def _first_fold(rows: Iterable[Mapping[str, Any]]) -> Table:
    table = Table("contender", "seed", "train instruments", "notes", "micro", "macro", "real notes", "min", "CPU min",
                  title="First fold: seeds, ablations, fewer instruments")  # fmt: skip
    rows = list(rows)
    for row in rows:
        table.add_row(
            row["contender"],
            str(row["seed"]),
            str(row["train_instruments"]),
            str(row["train_notes"]),
            _told(row["micro"]),
            _told(row["macro"]),
            _told(row["real"]),
            f"{row['wall_s'] / 60:.1f}",
            f"{row['cpu_s'] / 60:.1f}",
        )
    ours = [
        100 * row["micro"]["value"] for row in rows if (row["contender"], row["fold"]) == ("ours", CROSS[0])
    ]
    if len(ours) > 1:
        table.caption = f"ours over {len(ours)} seeds: {np.mean(ours):.1f} ± {np.std(ours, ddof=1):.1f}"
    return table


def draw_confusion(counts: np.ndarray, file: Path) -> None:
    """Draw the confusion matrix: shares of each family's notes (rows) that were predicted as each (columns)."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.patches import Rectangle

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    canvas = Canvas(figsize=(8, 7), layout="constrained")
    axes = canvas.subplots()
    places = range(len(nsynth.FAMILIES))
    axes.set_xticks(places, nsynth.FAMILIES, rotation=45, ha="right")
    axes.set_yticks(
        places, [f"{name} ({n})" for name, n in zip(nsynth.FAMILIES, counts.sum(axis=1), strict=True)]
    )
    for row in places:
        for column in places:
            if counts[row, column]:
                corner, share = (column - 0.5, row - 0.5), shares[row, column]
                axes.add_patch(Rectangle(corner, 1, 1, color=pictures.BLUE, alpha=share, linewidth=0))
                axes.text(
                    column,
                    row,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                    color="white" if share > 0.6 else "black",
                    size=pictures.FONT_SIZE,
                )
    axes.set(xlabel="Predicted family", ylabel="True family (notes)", title="Instruments not in train")
    axes.set_xlim(-0.5, len(nsynth.FAMILIES) - 0.5)
    axes.set_ylim(len(nsynth.FAMILIES) - 0.5, -0.5)
    axes.set_aspect("equal")
    pictures.save(canvas, file)

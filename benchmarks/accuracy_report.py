"""What `benchmarks.accuracy` prints and draws from the kept answers."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import nsynth
from benchmarks.accuracy_data import Notes
from benchmarks.accuracy_folds import FOLDS, HELD_OUT
from components.gate.bootstrap import Figure, Resampling
from components.gate.figures import confusion, macro_recall

_RESAMPLES, _CONFIDENCE, _SEED = 2000, 0.95, 0
CROSS = [f"fold{number}" for number in range(FOLDS)]

Results = list[dict[str, Any]]


def show(results: Results, jobs: list[Any], notes: Notes, transfer: Notes | None, folder: Path) -> None:
    """Prints all tables that there are results for, draws the pictures, writes summary.json."""
    console = Console(width=150)
    summary = summarize(results, notes, transfer)
    console.print(_main_table(summary["contenders"]))
    if summary["ours_minus"]:
        console.print(_differences(summary["ours_minus"]))
    if summary["first_fold"]:
        console.print(_first_fold(summary["first_fold"]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    counts = np.array(summary["confusion"])
    if counts.any():
        draw_confusion(counts, folder / "confusion.png")
    missing = len(jobs) - len(results)
    if missing:
        console.print(
            f"{missing} of {len(jobs)} trainings are still to do: the same command goes on with them."
        )
    console.print(f"Written to {folder}")


def summarize(results: Results, notes: Notes, transfer: Notes | None) -> dict[str, Any]:
    """All figures.

    Returns:
      contenders: by contender, figures of the cross-validation, of each lineage held out, and on real notes.
      ours_minus: ours less the opponent's accuracy on the same notes, by column.
      first_fold: seeds, ablations and learning curve.
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
    return {
        "contenders": contenders,
        "ours_minus": _minus(seed0, notes),
        "first_fold": [_row(r, notes) for r in results if r["fold"].startswith(CROSS[0])],
        "confusion": counts.tolist(),
    }


def _figures(results: Results, notes: Notes) -> dict[str, Any] | None:
    """Accuracy over all notes (micro) and mean of the families' recalls (macro), of the folds put together."""
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
        "micro": resampling.share(answers == families),
        "macro": macro_recall(answers, families, resampling),
        "wall_s": float(np.mean([result["wall_s"] for result in results])),
    }


def _transfer(results: Results, transfer: Notes | None) -> Figure | None:
    """Accuracy on real notes, the mean over the folds' models."""
    results = [result for result in results if result["real_answers"]]
    if not results or transfer is None:
        return None
    hits = np.mean([np.array(result["real_answers"]) == transfer.family for result in results], axis=0)
    return Resampling.of(transfer.instrument, _RESAMPLES, _CONFIDENCE, _SEED).mean(hits)


def _minus(results: Results, notes: Notes) -> dict[str, dict[str, Figure]]:
    """Ours less each other contender on the same notes, with the interval of the difference."""
    by_job = {(result["contender"], result["fold"]): result for result in results}
    found: dict[str, dict[str, Figure]] = {}
    for other in dict.fromkeys(result["contender"] for result in results):
        if other.startswith("ours"):
            continue
        held_out = [fold for _, fold in by_job if fold.startswith(HELD_OUT)]
        for column, folds in (("cross", CROSS), ("lineages", list(dict.fromkeys(held_out)))):
            pairs = [
                (by_job["ours", fold], by_job[other, fold])
                for fold in folds
                if ("ours", fold) in by_job and (other, fold) in by_job
            ]
            if pairs:
                found.setdefault(other, {})[column] = _difference(pairs, notes)
    return found


def _difference(pairs: list[tuple[dict[str, Any], dict[str, Any]]], notes: Notes) -> Figure:
    test = np.concatenate([ours["test"] for ours, _ in pairs])
    ours, other = (
        np.concatenate([pair[side]["answers"] for pair in pairs]) == notes.family[test] for side in (0, 1)
    )
    resampling = Resampling.of(notes.instrument[test], _RESAMPLES, _CONFIDENCE, _SEED)
    return resampling.mean(ours.astype(float) - other)


def _row(result: dict[str, Any], notes: Notes) -> dict[str, Any]:
    figures = _figures([result], notes)
    named = {name: result[name] for name in ("contender", "fold", "seed", "train_instruments", "train_notes")}
    return {**named, **(figures or {}), "wall_s": result["wall_s"], "cpu_s": result["cpu_s"]}


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
    )
    table = Table(*heads, title="Accuracy on unheard instruments, %, 95 % intervals by instrument")
    for name, columns in contenders.items():
        cross, held_out = columns["cross"], columns["lineages"].values()
        table.add_row(
            name,
            f"{cross['folds']} of {FOLDS}" if cross else "–",
            _told(cross and cross["micro"]),
            _told(cross and cross["macro"]),
            *(_told(lineage and lineage["micro"]) for lineage in held_out),
            _told(columns["real"]),
            f"{cross['wall_s'] / 60:.1f}" if cross else "–",
        )
    return table


def _differences(ours_minus: Mapping[str, Mapping[str, Figure]]) -> Table:
    table = Table(
        "ours less",
        "cross-validation",
        "lineages held out",
        title="Points of micro accuracy",
    )
    for other, columns in ours_minus.items():
        table.add_row(other, _told(columns.get("cross")), _told(columns.get("lineages")))
    return table


def _first_fold(rows: Iterable[Mapping[str, Any]]) -> Table:
    table = Table("contender", "seed", "train instruments", "notes", "micro", "macro", "min", "CPU min",
                  title="First fold: seeds, ablations, learning curve")  # fmt: skip
    rows = list(rows)
    for row in rows:
        table.add_row(
            row["contender"],
            str(row["seed"]),
            str(row["train_instruments"]),
            str(row["train_notes"]),
            _told(row["micro"]),
            _told(row["macro"]),
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
    """A picture of the confusion matrix: shares of each family's notes (rows) that were taken for each (columns)."""
    from matplotlib.figure import Figure as Canvas

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    canvas = Canvas(figsize=(7, 6), layout="constrained")
    axes = canvas.subplots()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    places = range(len(nsynth.FAMILIES))
    axes.set_xticks(places, nsynth.FAMILIES, rotation=45, ha="right")
    axes.set_yticks(
        places, [f"{name} ({n})" for name, n in zip(nsynth.FAMILIES, counts.sum(axis=1), strict=True)]
    )
    for row in places:
        for column in places:
            if counts[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(
                    column, row, f"{shares[row, column]:.0%}", ha="center", va="center", color=colour, size=7
                )
    axes.set(xlabel="taken for", ylabel="family (notes)", title="Ours on unheard instruments")
    canvas.savefig(file, dpi=120)

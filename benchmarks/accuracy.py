"""How good the recipe is on instruments it never heard, against others: `python -m benchmarks.accuracy`.

Renders a corpus from three unrelated SoundFonts, trains every contender on the same folds and prints tables with
intervals bootstrapped by instrument. Each training's answers are kept: a second call goes on where the first was
stopped. docs/training.md says what is measured and what is not.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

import atomic
import nsynth
from benchmarks import pictures
from benchmarks.harness import real_option, settings_options
from benchmarks.study import curve, notes, report
from benchmarks.study.contenders import ABLATIONS, MAIN, OURS
from benchmarks.study.folds import Fold, choosing, cross_validation, held_out, learning_curve
from benchmarks.study.jobs import Job, Result, Study, measure
from benchmarks.study.report import Column
from components.gate.figures import confusion
from corpus.options import CorpusOptions
from pipeline.config import Config
from pipeline.report.sections import confusion as confusions

CORPUS = CorpusOptions(
    soundfonts=("TimGM6mb", "FluidR3_GM", "GeneralUser"),
    size=24,
    velocities_per_pitch=1,
    extra_semitones=12,
)
"""Three unrelated lineages; each note of an instrument at another pitch, up to an octave beyond its natural range."""

MACRO = "macro recall"
_LABELS = ("contender", "seed", "train_instruments", "train_notes")


@click.command()
@click.option("--folder", default="workspace/benchmarks/accuracy", show_default=True, type=Path,
              help="For notes, results and pictures: some 7 GB.")  # fmt: skip
@click.option("--soundfont", "soundfonts", multiple=True, metavar="NAME|PATH", default=CORPUS.soundfonts,
              show_default=True, help="SoundFonts of unrelated lineages. May be repeated.")  # fmt: skip
@settings_options(None)
@click.option("--quick", is_flag=True, help="One fold, one seed, no ablations.")
@click.option(
    "--choose", is_flag=True, help="Test inside of the first fold's train notes: to choose a recipe."
)
@click.option("--only", multiple=True, metavar="NAME", help="Train these contenders or folds only.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of our network on the first fold.")
@real_option
@click.option("--report", "no_training", is_flag=True, help="Train nothing, show what is there.")
def main(
    settings: Config,
    folder: Path,
    soundfonts: tuple[str, ...],
    quick: bool,
    choose: bool,
    only: tuple[str, ...],
    seeds: int,
    real: Path | None,
    no_training: bool,
) -> None:
    """Measure accuracy on instruments not in train: ours, the ancestor, two classical models and the ablations."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainer").setLevel(logging.INFO)
    corpus = CORPUS.model_copy(update={"soundfonts": soundfonts})
    lessons = notes.rendered(corpus, settings.spectrogram, folder)
    shared = notes.out_of_domain("choosing", real, settings.spectrogram, folder)
    cross, held, fewer = cross_validation(lessons), [], []
    if choose:
        by_group, by_font = choosing(cross[0])
        cross, held = [by_group], [by_font]
    elif quick:
        cross = cross[:1]
    else:
        held = [held_out(font, lessons, lessons) for font in dict.fromkeys(lessons.font.tolist())]
        fewer = learning_curve(cross[0])
    folds = [*cross, *held, *fewer]
    short = quick or choose
    jobs = plan([fold.name for fold in folds], 1 if short else seeds, ablations=not short)
    results = measure(
        Study(settings, [corpus], folds, shared, folder, "results"), jobs, "accuracy",
        lambda job: not no_training and (not only or bool({job.contender, job.fold} & set(only))),
    )  # fmt: skip
    show(results, cross, held, shared, folder)
    if missing := len(jobs) - len(results):
        click.echo(f"{missing} of {len(jobs)} trainings are still to do: the same command goes on with them.")
    click.echo(f"Written to {folder}")


def plan(folds: list[str], seeds: int, ablations: bool) -> list[Job]:
    """Return all trainings, the most telling first: each fold, then on the first one seeds and ablations, its curve.

    Args:
      folds: names; those of the learning curve hold a percent sign.
      seeds: trainings of our network on the first fold.
      ablations: whether to leave out parts of the recipe in turn.
    """
    whole = [fold for fold in folds if "%" not in fold]
    return [
        *(Job(contender, fold, 0) for fold in whole for contender in MAIN),
        *(Job(OURS, folds[0], seed) for seed in range(1, seeds)),
        *(Job(contender, folds[0], 0) for contender in ABLATIONS if ablations),
        *(Job(contender, fold, 0) for fold in folds if "%" in fold for contender in curve.CONTENDERS),
    ]


def show(
    results: Sequence[Result],
    cross: Sequence[Fold],
    held: Sequence[Fold],
    shared: Sequence[notes.Set],
    folder: Path,
) -> None:
    """Print all tables that there are results for, draw the pictures, write summary.json."""
    tests, lineages = ([fold.test for fold in folds] for folds in (cross, held))
    columns = [
        Column("not in train", tests),
        Column(MACRO, tests, macro=True),
        *report.columns_of([*lineages, *shared]),
        *([Column("all held out", lineages)] if len(held) > 1 else ()),
    ]
    folds = {fold.name for fold in (*cross, *held)}
    whole = [r for r in results if r["fold"] in folds and r["contender"] in MAIN and r["seed"] == 0]
    figures = report.show(whole, columns, OURS, "Accuracy on instruments not in train, %, 95 % intervals")
    rows = first_fold(results, cross[0], shared)
    points = curve.curve(rows)
    for line in curve.lines(points):
        click.echo(line)
    if points:
        curve.draw(points, folder / "learning_curve.svg")
    counts = np.zeros((len(nsynth.FAMILIES),) * 2, int)
    for fold in cross:
        for own in (r for r in whole if (r["contender"], r["fold"]) == (OURS, fold.name)):
            counts += confusion(np.array(own["answers"][fold.test.name]), fold.test.families)
    if counts.any():
        pictures.save(confusions.chart(counts.tolist()), confusions.DESCRIPTION, folder / "confusion.svg")
    told = [{key: row[key] for key in (*_LABELS, "figures")} for row in rows]
    summary = {**figures, "first_fold": told, "confusion": counts.tolist()}
    written = json.dumps(summary, indent=2, default=lambda figure: figure.model_dump())
    atomic.write(folder / "summary.json", written + "\n")


def first_fold(results: Sequence[Result], fold: Fold, shared: Sequence[notes.Set]) -> list[Result]:
    """Print a row for each training on the fold, or on a part of it; return the results with their `figures`."""
    columns = [
        Column(curve.ACCURACY, [fold.test]),
        Column(MACRO, [fold.test], macro=True),
        *(Column(asked.name, [asked]) for asked in shared),
    ]
    own = [result for result in results if result["fold"].startswith(fold.name)]
    rows = [r | {"figures": report.figures_of(report.hits_of([r], columns), columns)} for r in own]
    lines = [([str(row[key]) for key in _LABELS], row["figures"], [row]) for row in rows]
    ours = (row for row in rows if (row["contender"], row["fold"]) == (OURS, fold.name))
    seeds = [100 * row["figures"][curve.ACCURACY].value for row in ours]
    spread = f"{np.mean(seeds):.1f} ± {np.std(seeds, ddof=1):.1f}" if len(seeds) > 1 else ""
    caption = f"{OURS} over {len(seeds)} seeds: {spread}" if spread else None
    title = "First fold: seeds, ablations, fewer instruments"
    report.print_table(
        report.table(title, [key.replace("_", " ") for key in _LABELS], lines, columns, caption)
    )
    return rows


if __name__ == "__main__":
    main()

"""What distillation gives: `python -m benchmarks.distill`, some teachers and a student of the same size.

All learn from the same rendered notes and are tested on instruments that none of them has heard: the first fold of
benchmarks/accuracy_folds.py. The teachers differ by their seeds and see labels alone; the student sees the labels and
the teachers' mean answers. Answers are kept, so that a second call prints the table without training.
"""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import nsynth
from benchmarks import travel_sets
from benchmarks.accuracy_contenders import Task, probabilities, trained
from benchmarks.accuracy_data import Notes
from benchmarks.accuracy_folds import Fold, cross_validation
from components.documents.document import Figure
from components.gate.bootstrap import Resampling
from pipeline.config import Config, load_config
from pipeline.fingerprint import step_fingerprint

_RESAMPLES, _CONFIDENCE = 2000, 0.95
TEACHERS_MEAN, ENSEMBLE, STUDENT = "teachers, mean of their accuracies", "ensemble of the teachers", "student"


@click.command()
@click.option("--folder", default="workspace/benchmarks/travel", show_default=True, type=Path,
              help="For notes and answers; shared with benchmarks.travel.")  # fmt: skip
@click.option("--config", default="configs/demo.yaml", show_default=True, type=Path,
              help="Its corpus options, spectrogram and recipe are used.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", default=("recipe.size=tiny",),
              show_default=True, help="Change a value of the config.")  # fmt: skip
@click.option("--teachers", default=5, show_default=True, type=click.IntRange(min=1))
def main(folder: Path, config: Path, overrides: tuple[str, ...], teachers: int) -> None:
    """Train teachers and a student, and compare their accuracy on unseen instruments."""
    logging.basicConfig(format="%(message)s")
    try:
        settings = load_config(config, overrides)
        fonts = travel_sets.installed(travel_sets.SOUNDFONTS)
        options = settings.corpus.model_copy(update={"soundfonts": fonts})
        notes = travel_sets.rendered(options, settings.spectrogram, folder, frozen=False)
    except nsynth.UserError as error:
        raise click.ClickException(str(error)) from error
    fold = cross_validation(notes)[0]
    test = np.sort(fold.test)
    answers = train(notes, fold, test, settings, folder, teachers)
    show(answers, notes.family[test], notes.instrument[test])


def train(
    notes: Notes, fold: Fold, test: np.ndarray, settings: Config, folder: Path, teachers: int
) -> np.ndarray:
    """Train the teachers, then the student, unless their answers were kept.

    Returns:
      probabilities float32 [teachers + 1, notes of the test, classes]; those of the student are the last.
    """
    made_of = str(
        (fold.fingerprint, settings.recipe, settings.spectrogram, step_fingerprint("Trainer"), teachers)
    )
    kept = folder / "distill" / f"{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.npy"
    if kept.exists():
        found: np.ndarray = np.load(kept)
        return found
    keras.backend.clear_session()
    networks: list[keras.Model] = []
    answers = []
    for seed in range(teachers + 1):
        student = seed == teachers
        click.echo(f"[{seed + 1}/{teachers + 1}] {STUDENT if student else 'teacher'}")
        scratch = folder / "training" / f"distill-{kept.stem}-{seed}"
        task = Task(notes, fold, seed, settings.recipe, settings.spectrogram, scratch)
        network, normalize = trained(task, teachers=networks if student else ())
        answers.append(probabilities(network, normalize, notes, test))
        networks.append(network)
        shutil.rmtree(scratch, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, np.stack(answers))
    return np.stack(answers)


def rows(answers: np.ndarray, families: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name, and share of models that are right about each note, float [notes]."""
    right = answers.argmax(axis=2) == families
    yield TEACHERS_MEAN, right[:-1].mean(axis=0)
    yield ENSEMBLE, (answers[:-1].mean(axis=0).argmax(axis=1) == families).astype(float)
    yield STUDENT, right[-1].astype(float)


def show(answers: np.ndarray, families: np.ndarray, instruments: np.ndarray) -> None:
    """Print accuracy of each row, and what it has more than the teachers' mean, paired by note."""
    resampling = Resampling.of(instruments, _RESAMPLES, _CONFIDENCE, seed=0)
    title = f"{len(families):,} notes of {resampling.instruments} unseen instruments, 95 % intervals"
    table = Table("row", "accuracy, %", "minus the teachers' mean, points", title=title)
    by_name = dict(rows(answers, families))
    for name, right in by_name.items():
        table.add_row(
            name, told(resampling.mean(right)), told(resampling.mean(right - by_name[TEACHERS_MEAN]))
        )
    Console(width=120).print(table)


def told(found: Figure) -> str:
    """Write a figure in percent."""
    return f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


if __name__ == "__main__":
    main()

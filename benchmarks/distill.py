"""What distillation gives: `python -m benchmarks.distill`, some teachers and a student of the same size.

All learn from the same rendered notes and are tested on instruments that none of them has heard: the first fold of
benchmarks/study/folds.py. The teachers differ by their seeds and see labels alone; the student sees the labels and
the teachers' mean answers. Answers are kept, so that a second call prints the table without training.
"""

import hashlib
import logging
import shutil
from pathlib import Path

import click
import keras
import numpy as np

from benchmarks.harness import settings_options
from benchmarks.study import notes, report
from benchmarks.study.contenders import Task, probabilities, trained
from benchmarks.study.folds import Fold, cross_validation
from pipeline.config import Config
from pipeline.fingerprint import step_fingerprint

TEACHERS_MEAN, ENSEMBLE, STUDENT = "teachers, mean of their accuracies", "ensemble of the teachers", "student"


@click.command()
@click.option("--folder", default="workspace/benchmarks/travel", show_default=True, type=Path,
              help="For notes and answers; shared with benchmarks.travel.")  # fmt: skip
@settings_options("configs/demo.yaml", "recipe.size=tiny")
@click.option("--teachers", default=5, show_default=True, type=click.IntRange(min=1))
def main(settings: Config, folder: Path, teachers: int) -> None:
    """Train teachers and a student, and compare their accuracy on unseen instruments."""
    logging.basicConfig(format="%(message)s")
    options = settings.corpus.model_copy(update={"soundfonts": notes.installed(notes.SOUNDFONTS)})
    fold = cross_validation(notes.rendered(options, settings.spectrogram, folder))[0]
    show(train(fold, settings, folder, teachers), fold.test)


def train(fold: Fold, settings: Config, folder: Path, teachers: int) -> np.ndarray:
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
        task = Task(fold, seed, settings.recipe, settings.spectrogram, scratch)
        network, normalize = trained(task, teachers=networks if student else ())
        answers.append(probabilities(network, normalize, fold.test))
        networks.append(network)
        shutil.rmtree(scratch, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, np.stack(answers))
    return np.stack(answers)


def rows(answers: np.ndarray, families: np.ndarray) -> dict[str, np.ndarray]:
    """Return share of models that are right about each note, float [notes], by name of the row."""
    right = answers.argmax(axis=2) == families
    return {
        TEACHERS_MEAN: right[:-1].mean(axis=0),
        ENSEMBLE: (answers[:-1].mean(axis=0).argmax(axis=1) == families).astype(float),
        STUDENT: right[-1].astype(float),
    }


def show(answers: np.ndarray, test: notes.Set) -> None:
    """Print accuracy of each row, and what it has more than the teachers' mean, paired by note."""
    resampling = report.resampled(test.instruments)
    by_name = rows(answers, test.families)
    columns = [report.Column(name, [test]) for name in ("accuracy, %", "minus the teachers' mean, points")]
    lines = []
    for name, right in by_name.items():
        found = (resampling.mean(values) for values in (right, right - by_name[TEACHERS_MEAN]))
        lines.append(
            ([name], {column.name: figure for column, figure in zip(columns, found, strict=True)}, ())
        )
    title = f"{len(test):,} notes of {resampling.instruments} unseen instruments, 95 % intervals"
    report.print_table(report.table(title, ["row"], lines, columns))


if __name__ == "__main__":
    main()

"""Trainings whose answers are kept in files, so that a second call goes on where the first was stopped."""

import csv
import datetime
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

import atomic
from benchmarks.study.contenders import CONTENDERS, OTHERS, OURS, Task
from benchmarks.study.folds import Fold
from benchmarks.study.notes import Set
from corpus.options import CorpusOptions
from pipeline.config import Config
from pipeline.fingerprint import step_fingerprint

LOOKS = Path(__file__).parents[2] / "docs" / "looks.csv"

Result = dict[str, Any]


class Job(NamedTuple):
    """One training. A contender that is not among CONTENDERS is our network by another recipe."""

    contender: str
    fold: str
    seed: int

    @property
    def file(self) -> str:
        """Where the result lies, below the folder of results."""
        return f"{self.fold}/{self.contender}-seed{self.seed}.json"


class Study(NamedTuple):
    """What models learn from and are asked about.

    Attributes:
      settings: recipe and spectrogram of ours.
      corpora: options of all notes that were rendered.
      folds: whose train notes to learn from; each has a test of its own.
      shared: what every model is asked about besides.
      folder: for the trainings' own files and, in `results`, the answers.
      results: name of a folder below it.
    """

    settings: Config
    corpora: Sequence[CorpusOptions]
    folds: Sequence[Fold]
    shared: Sequence[Set]
    folder: Path
    results: str


def measure(
    study: Study,
    jobs: Sequence[Job],
    part: str,
    wanted: Callable[[Job], bool] = lambda job: True,
) -> list[Result]:
    """Train what is wanted and not there yet, and keep its answers.

    Args:
      study: what to learn from and to ask about.
      jobs: the trainings.
      part: for the record of looks.
      wanted: whether to train for a job.

    Returns:
      a result for each job that there are answers of.
    """
    folds = {fold.name: fold for fold in study.folds}
    results, trained = [], []
    try:
        for number, job in enumerate(jobs, 1):
            sets = [folds[job.fold].test, *study.shared]
            made_of = _made_of(study, job, folds[job.fold], sets)
            file = study.folder / study.results / job.file
            result = kept(file, made_of)
            if result is None and wanted(job):
                click.echo(f"[{number}/{len(jobs)}] {job.contender}, {job.fold}, seed {job.seed}")
                answers = _train(study, job, folds[job.fold], sets)
                trained.append(job.contender)
                result = {**job._asdict(), **answers, "made_of": made_of}
                atomic.write(file, json.dumps(result))
            if result:
                results.append(result)
    finally:
        if trained:
            names = dict.fromkeys(asked.name for asked in (*(f.test for f in study.folds), *study.shared))
            record_look(part, "; ".join(dict.fromkeys(trained)), names, len(trained))
    return results


def kept(file: Path, made_of: dict[str, Any]) -> Result | None:
    """Return an earlier result, if it is of the same notes, spectrograms, recipe and code.

    One with answers about more sets will do.
    """
    if not file.exists():
        return None
    result = json.loads(file.read_text())
    asked = {**result["made_of"].get("sets", {}), **made_of["sets"]}
    return result if result["made_of"] == {**made_of, "sets": asked} else None


def record_look(part: str, recipe: str, sets: Iterable[str], trained: int, file: Path = LOOKS) -> None:
    """Add a line to the record of how often each part was asked."""
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as table:
        rows = csv.writer(table, lineterminator="\n")
        if new:
            rows.writerow(["date", "part", "recipe", "models", "sets"])
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        rows.writerow([date, part, recipe, trained, "; ".join(sets)])


def looks(part: str, file: Path = LOOKS) -> int:
    """Return the calls so far that asked models about the part."""
    if not file.exists():
        return 0
    with file.open(newline="", encoding="utf-8") as table:
        return sum(row["part"] == part for row in csv.DictReader(table))


def _made_of(study: Study, job: Job, fold: Fold, sets: Sequence[Set]) -> dict[str, Any]:
    made_of = {
        "corpora": [options.model_dump(mode="json") for options in study.corpora],
        "spectrogram": study.settings.spectrogram.model_dump(mode="json"),
        "fold": fold.fingerprint,
        "sets": {asked.name: len(asked) for asked in sets},
    }
    if job.contender not in OTHERS:
        recipe = study.settings.recipe.model_dump(mode="json")
        made_of |= {"recipe": recipe, "code": step_fingerprint("Trainer")}
    return made_of


def _train(study: Study, job: Job, fold: Fold, sets: Sequence[Set]) -> Result:
    """Train, and ask for the family of each note of the sets."""
    settings = study.settings
    recipe = hashlib.sha256(settings.recipe.model_dump_json().encode()).hexdigest()[:8]
    scratch = study.folder / "training" / f"{job.fold}-{job.contender}-{job.seed}-{recipe}"
    task = Task(fold, job.seed, settings.recipe, settings.spectrogram, scratch)
    wall, cpu = time.monotonic(), time.process_time()
    answer = CONTENDERS.get(job.contender, CONTENDERS[OURS])(task)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    trained_s = sum(epoch["seconds"] for epoch in task.told.get("history", []))
    result = {
        "wall_s": max(wall, trained_s),  # of a resumed training all of it
        "cpu_s": cpu,
        "load": os.getloadavg()[0],
        "train_instruments": len(np.unique(fold.notes.instrument[fold.train])),
        "train_notes": len(fold.train),
        "answers": {asked.name: answer(asked).tolist() for asked in sets},
        "told": task.told,
    }
    shutil.rmtree(scratch, ignore_errors=True)
    return result

"""How good the recipe is on instruments it never heard, against others: `python -m benchmarks.accuracy`.

Renders a corpus from three unrelated SoundFonts, trains every contender on the same folds and prints a table with
intervals bootstrapped by instrument. Each training's answers are kept: a second call goes on where the first was
stopped, and only prints what is complete. docs/training.md says what is measured and what is not.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import click

import atomic
import nsynth
from corpus.options import CorpusOptions
from pipeline.config import load_config
from pipeline.fingerprint import step_fingerprint

REAL_NOTES = "nsynth-train.tfrecord"
CORPUS = CorpusOptions(
    soundfonts=("TimGM6mb", "FluidR3_GM", "GeneralUser"),
    size=24,
    velocities_per_pitch=1,
    extra_semitones=12,
)
"""Three unrelated lineages; each note of an instrument at another pitch, up to an octave beyond its natural range."""
_CURVE = ("ours", "extra-trees")  # contenders on the learning curve


class Job(NamedTuple):
    """One training."""

    contender: str
    fold: str
    seed: int

    @property
    def file(self) -> str:
        """Where the result lies, below the folder of results."""
        return f"{self.fold}/{self.contender}-seed{self.seed}.json"


@click.command()
@click.option("--folder", default="workspace/benchmarks/accuracy", show_default=True, type=Path,
              help="For notes, results and pictures: some 7 GB.")  # fmt: skip
@click.option("--soundfont", "soundfonts", multiple=True, metavar="NAME|PATH", default=CORPUS.soundfonts,
              show_default=True, help="SoundFonts of unrelated lineages. May be repeated.")  # fmt: skip
@click.option("--config", type=Path, help="Measure its recipe and spectrogram, not the default ones.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value of the config.")
@click.option("--quick", is_flag=True, help="One fold, one seed, no ablations.")
@click.option(
    "--choose", is_flag=True, help="Test inside of the first fold's train notes: to choose a recipe."
)
@click.option("--only", multiple=True, metavar="NAME", help="Train these contenders or folds only.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of our network on the first fold.")
@click.option("--real", envvar="NSYNTH_REAL_NOTES", type=Path, help="Folder with real NSynth notes.")
@click.option("--report", is_flag=True, help="Train nothing, show what is there.")
def main(
    folder: Path,
    soundfonts: tuple[str, ...],
    config: Path | None,
    overrides: tuple[str, ...],
    quick: bool,
    choose: bool,
    only: tuple[str, ...],
    seeds: int,
    real: Path | None,
    report: bool,
) -> None:
    """Measure accuracy on instruments not in train: ours, the ancestor, two classical models and the ablations."""
    from benchmarks import accuracy_report
    from benchmarks.accuracy_contenders import ANCESTOR_EPOCHS
    from benchmarks.accuracy_data import real_notes, rendered_notes
    from benchmarks.accuracy_folds import choosing, cross_validation, learning_curve, lineages

    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainer").setLevel(logging.INFO)
    corpus = CORPUS.model_copy(update={"soundfonts": soundfonts})
    try:
        settings = load_config(config or os.devnull, overrides)
        notes = rendered_notes(corpus, settings.spectrogram, folder)
        transfer = real_notes(real / REAL_NOTES, settings.spectrogram, folder) if real else None
    except nsynth.UserError as error:
        raise click.ClickException(str(error)) from error
    folds = cross_validation(notes)
    if choose:
        folds = choosing(notes, folds[0])
    elif quick:
        folds = folds[:1]
    else:
        folds += [*lineages(notes), *learning_curve(notes, folds[0])]
    by_name = {fold.name: fold for fold in folds}
    jobs = plan(list(by_name), 1 if quick or choose else seeds, ablations=not (quick or choose))
    results = []
    for number, job in enumerate(jobs, 1):
        ours = job.contender.startswith("ours")
        made_of = {
            "corpus": corpus.model_dump(mode="json"),
            "spectrogram": settings.spectrogram.model_dump(mode="json"),
            "recipe": settings.recipe.model_dump(mode="json") if ours else None,
            "code": step_fingerprint("Trainer") if ours else None,
            "fold": by_name[job.fold].fingerprint,
            "real": bool(transfer),
        }
        if job.contender == "ancestor":
            made_of["epochs"] = ANCESTOR_EPOCHS
        file = folder / "results" / job.file
        result = kept(file, made_of)
        if result is None and not report and (not only or {job.contender, job.fold} & set(only)):
            click.echo(f"[{number}/{len(jobs)}] {job.contender} on {job.fold}, seed {job.seed}")
            answers = _train(job, notes, by_name[job.fold], transfer, settings, folder)
            result = {**job._asdict(), **answers, "made_of": made_of}
            keep(result, file)
        if result:
            results.append(result)
    accuracy_report.show(results, jobs, notes, transfer, folder)


def plan(folds: list[str], seeds: int, ablations: bool) -> list[Job]:
    """Return all trainings, the most telling first: each fold, then on the first one seeds and ablations, its curve.

    Args:
      folds: names; those of the learning curve hold a percent sign.
      seeds: trainings of our network on the first fold.
      ablations: whether to leave out parts of the recipe in turn.
    """
    from benchmarks.accuracy_contenders import ABLATIONS, MAIN

    whole = [fold for fold in folds if "%" not in fold]
    return [
        *(Job(contender, fold, 0) for fold in whole for contender in MAIN),
        *(Job("ours", folds[0], seed) for seed in range(1, seeds)),
        *(Job(contender, folds[0], 0) for contender in ABLATIONS if ablations),
        *(Job(contender, fold, 0) for fold in folds if "%" in fold for contender in _CURVE),
    ]


def kept(file: Path, made_of: dict[str, Any]) -> dict[str, Any] | None:
    """Return an earlier result, if it is of the same notes, spectrograms, recipe and code.

    One with answers about real notes will do where none are asked for.
    """
    if not file.exists():
        return None
    result = json.loads(file.read_text())
    before = result["made_of"]
    return result if before in (made_of, {**made_of, "real": True}) else None


def keep(result: dict[str, Any], file: Path) -> None:
    """Write a result, whole or not at all."""
    atomic.write(file, json.dumps(result))


def _train(job: Job, notes: Any, fold: Any, transfer: Any, settings: Any, folder: Path) -> dict[str, Any]:
    """Train, and ask for the family of each test note and each real note."""
    import numpy as np

    from benchmarks.accuracy_contenders import CONTENDERS, Task

    of_recipe = hashlib.sha256(settings.recipe.model_dump_json().encode()).hexdigest()[:8]
    scratch = folder / "training" / f"{job.fold}-{job.contender}-{job.seed}-{of_recipe}"
    task = Task(notes, fold, job.seed, settings.recipe, settings.spectrogram, scratch)
    wall, cpu = time.monotonic(), time.process_time()
    answer = CONTENDERS[job.contender](task)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    test = np.sort(fold.test)
    trained_s = sum(epoch["seconds"] for epoch in task.told.get("history", []))
    result = {
        "wall_s": max(wall, trained_s),  # of a resumed training all of it
        "cpu_s": cpu,
        "load": os.getloadavg()[0],
        "train_instruments": len(np.unique(notes.instrument[fold.train])),
        "train_notes": len(fold.train),
        "test": test.tolist(),
        "answers": answer(notes, test).tolist(),
        "real_answers": answer(transfer, np.arange(len(transfer))).tolist() if transfer else None,
        "told": task.told,
    }
    shutil.rmtree(scratch, ignore_errors=True)
    return result


if __name__ == "__main__":
    main()

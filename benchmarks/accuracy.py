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

from corpus.options import CorpusOptions
from pipeline.config import DEFAULT_CONFIG, load_config

REAL_NOTES = "nsynth-train.tfrecord"
_ABLATED, _CURVE = "fold0", ("ours", "extra-trees")
_FONTS = ("TimGM6mb", "FluidR3_GM", "GeneralUser")
CORPUS = CorpusOptions(soundfonts=_FONTS, size=24, velocities_per_pitch=1, extra_semitones=12)
"""Each note of an instrument at another pitch, an octave beyond its natural range both ways."""


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
@click.option("--config", default=DEFAULT_CONFIG, type=Path, help="Its recipe and spectrogram are measured.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value of the config.")
@click.option("--quick", is_flag=True, help="One fold, one seed, no ablations.")
@click.option("--only", multiple=True, metavar="NAME", help="Train these contenders or folds only.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of our network on the first fold.")
@click.option("--minutes", default=30.0, show_default=True, help="Budget of one training.")
@click.option("--real", envvar="NSYNTH_REAL_NOTES", type=Path, help="Folder with real NSynth notes.")
@click.option("--report", is_flag=True, help="Train nothing, show what is there.")
def main(
    folder: Path,
    config: Path,
    overrides: tuple[str, ...],
    quick: bool,
    only: tuple[str, ...],
    seeds: int,
    minutes: float,
    real: Path | None,
    report: bool,
) -> None:
    """Measure accuracy on unheard instruments: ours, the ancestor's, two classical opponents' and the ablations'."""
    from benchmarks import accuracy_report
    from benchmarks.accuracy_data import real_notes, rendered_notes
    from benchmarks.accuracy_folds import cross_validation, learning_curve, lineages

    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainer").setLevel(logging.INFO)
    settings = load_config(config, overrides)
    spectrogram = settings.spectrogram
    notes = rendered_notes(CORPUS, spectrogram, folder)
    transfer = real_notes(real / REAL_NOTES, spectrogram, folder) if real else None
    folds = cross_validation(notes)
    folds += [*lineages(notes), *learning_curve(notes, folds[0])]
    by_name = {fold.name: fold for fold in folds}
    jobs = plan(quick, seeds)
    results = []
    for number, job in enumerate(jobs, 1):
        wanted = not report and (not only or {job.contender, job.fold} & set(only))
        made_of = {
            "corpus": CORPUS.model_dump(mode="json"),
            "spectrogram": spectrogram.model_dump(mode="json"),
            "recipe": settings.recipe.model_dump(mode="json") if job.contender.startswith("ours") else None,
            "real": bool(transfer),
        }
        file = folder / "results" / job.file
        result = kept(file, made_of)
        if result is None and wanted:
            click.echo(f"[{number}/{len(jobs)}] {job.contender} on {job.fold}, seed {job.seed}")
            answers = _train(job, notes, by_name[job.fold], transfer, settings, minutes * 60, folder)
            result = {**job._asdict(), **answers, "made_of": made_of}
            _keep(result, file)
        if result:
            results.append(result)
    accuracy_report.show(results, jobs, notes, transfer, folder)


def plan(quick: bool, seeds: int) -> list[Job]:
    """All trainings, the most telling first."""
    from benchmarks.accuracy_contenders import ABLATIONS, MAIN
    from benchmarks.accuracy_folds import CURVE, FOLDS

    main_rows = [Job(contender, f"fold{fold}", 0) for fold in range(FOLDS) for contender in MAIN]
    if quick:
        return main_rows[: len(MAIN)]
    return [
        *main_rows,
        *(Job(contender, f"without-{font}", 0) for font in _FONTS for contender in MAIN),
        *(Job("ours", _ABLATED, seed) for seed in range(1, seeds)),
        *(Job(contender, _ABLATED, 0) for contender in ABLATIONS),
        *(Job(contender, f"{_ABLATED}-{share:.0%}", 0) for share in CURVE for contender in _CURVE),
    ]


def kept(file: Path, made_of: dict[str, Any]) -> dict[str, Any] | None:
    """An earlier result, if it is of the same corpus, spectrograms and recipe."""
    if not file.exists():
        return None
    result = json.loads(file.read_text())
    return result if result["made_of"] == made_of else None


def _keep(result: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(result))
    part.rename(file)


def _train(
    job: Job, notes: Any, fold: Any, transfer: Any, settings: Any, seconds: float, folder: Path
) -> dict[str, Any]:
    """Trains, and asks for the family of each test note and each real note."""
    import numpy as np

    from benchmarks.accuracy_contenders import CONTENDERS, Task

    of_recipe = hashlib.sha256(settings.recipe.model_dump_json().encode()).hexdigest()[:8]
    scratch = folder / "training" / f"{job.fold}-{job.contender}-{job.seed}-{of_recipe}"
    task = Task(notes, fold, job.seed, settings.recipe, settings.spectrogram, scratch, seconds)
    wall, cpu = time.monotonic(), time.process_time()
    answer = CONTENDERS[job.contender](task)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    test = np.sort(fold.test)
    result = {
        "wall_s": wall,
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

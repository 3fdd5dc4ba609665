"""How well a recipe travels to sounds from elsewhere: `python -m benchmarks.travel`. Recipes are chosen on its figure.

dev, valid and test of the demo notes come from the SoundFonts that the model learned from. Here each lineage of
SoundFonts is held out in turn, and every model is also asked about real recordings. The choosing part is to be looked
at as often as it takes. The final part (--final) holds other lineages, other recordings and the real NSynth notes:
ask it once, about what has been chosen. Each call that trains adds a line to docs/looks.csv.
"""

import csv
import datetime
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

import nsynth
from benchmarks.accuracy import Job, keep, kept
from pipeline.config import Config, load_config
from pipeline.fingerprint import step_fingerprint

LOOKS = Path(__file__).parents[1] / "docs" / "looks.csv"
OURS = "ours"


@click.command()
@click.option("--folder", default="workspace/benchmarks/travel", show_default=True, type=Path,
              help="For notes and results: some 7 GB.")  # fmt: skip
@click.option("--config", default="configs/demo.yaml", show_default=True, type=Path,
              help="Its corpus options, spectrogram and recipe are measured.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value of the config.")
@click.option("--name", default=OURS, show_default=True,
              help="Row of this recipe of ours. The rows of other names stay and are compared.")  # fmt: skip
@click.option("--soundfont", "soundfonts", multiple=True, metavar="NAME|PATH",
              help="SoundFonts of unrelated lineages; may be repeated. Default: all four that are there.")  # fmt: skip
@click.option("--final", is_flag=True, help="The part that nothing was chosen on.")
@click.option(
    "--seeds", default=2, show_default=True, help="Trainings of ours on each fold: 5 for a finalist."
)
@click.option("--only", multiple=True, metavar="NAME", help="Train these contenders only.")
@click.option("--real", envvar="NSYNTH_REAL_NOTES", type=Path, help="Folder with real NSynth notes.")
def main(
    folder: Path,
    config: Path,
    overrides: tuple[str, ...],
    name: str,
    soundfonts: tuple[str, ...],
    final: bool,
    seeds: int,
    only: tuple[str, ...],
    real: Path | None,
) -> None:
    """Measure accuracy on lineages held out, recordings and real notes: ours, classical and frozen rows."""
    logging.basicConfig(format="%(message)s")
    try:
        settings = load_config(config, overrides)
        measure(settings, folder, name, soundfonts, final, seeds, only, real)
    except nsynth.UserError as error:
        raise click.ClickException(str(error)) from error


def measure(
    settings: Config,
    folder: Path,
    name: str,
    soundfonts: Iterable[str],
    final: bool,
    seeds: int,
    only: Iterable[str],
    real: Path | None,
) -> None:
    """Train what is not there yet, keep the answers and print the tables.

    Raises:
      UserError: too few SoundFonts are installed, or the name is that of another contender.
    """
    from benchmarks import musicnn, travel_report, travel_sets
    from benchmarks.accuracy_contenders import FROZEN, MAIN

    frozen = musicnn.weights() is not None
    if not frozen:
        click.echo(
            "left out: the rows of musicnn, which is not installed: pip install --no-deps musicnn==0.1.0"
        )
    fonts = travel_sets.installed(tuple(soundfonts) or travel_sets.SOUNDFONTS)
    spectrogram = settings.spectrogram
    learned = settings.corpus.model_copy(update={"soundfonts": fonts})
    tested = travel_sets.TESTED.model_copy(update={"soundfonts": fonts})
    lessons = travel_sets.rendered(learned, spectrogram, folder, frozen)
    judges = travel_sets.rendered(tested, spectrogram, folder, frozen)
    shared = travel_sets.from_elsewhere(final, real, spectrogram, folder, frozen)
    held = [font for font in fonts if (font in travel_sets.CHOOSING_FONTS) != final]
    folds = dict(zip(held, (travel_sets.held_out(lessons, judges, font) for font in held), strict=True))
    others = [other for other in (*MAIN, *(FROZEN if frozen else ())) if other != OURS]
    if name in others:
        raise nsynth.UserError(f"--name {name} is another contender's")
    jobs = [*(Job(other, font, 0) for other in others for font in held),
            *(Job(name, font, seed) for seed in range(seeds) for font in held)]  # fmt: skip
    part = "final" if final else "choosing"
    trained = 0
    for number, job in enumerate(jobs, 1):
        fold, test = folds[job.fold]
        sets = [test, *shared]
        made_of = {
            "corpora": [options.model_dump(mode="json") for options in (learned, tested)],
            "spectrogram": spectrogram.model_dump(mode="json"),
            "fold": fold.fingerprint,
            "sets": {asked.name: len(asked.chosen) for asked in sets},
        }
        if job.contender == name:
            made_of |= {
                "recipe": settings.recipe.model_dump(mode="json"),
                "code": step_fingerprint("Trainer"),
            }
        file = folder / f"results-{part}" / job.file
        if kept(file, made_of) is None and (not only or job.contender in only):
            click.echo(f"[{number}/{len(jobs)}] {job.contender}, {job.fold} held out, seed {job.seed}")
            keep(
                {**job._asdict(), **_train(job, lessons, fold, sets, settings, folder), "made_of": made_of},
                file,
            )
            trained += 1
    results = [json.loads(file.read_text()) for file in sorted((folder / f"results-{part}").glob("*/*.json"))]
    sets = [*(folds[font][1] for font in held), *shared]
    if trained:
        record_look(part, name, sets, trained)
    travel_report.show(results, sets, name, part, looks(part))


def record_look(part: str, name: str, sets: Iterable[Any], trained: int, file: Path = LOOKS) -> None:
    """Add a line to the record of how often each part was asked."""
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as table:
        rows = csv.writer(table, lineterminator="\n")
        if new:
            rows.writerow(["date", "part", "recipe", "models", "sets"])
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        rows.writerow([date, part, name, trained, "; ".join(asked.name for asked in sets)])


def looks(part: str, file: Path = LOOKS) -> int:
    """Return the calls so far that asked models about the part."""
    if not file.exists():
        return 0
    with file.open(newline="", encoding="utf-8") as table:
        return sum(row["part"] == part for row in csv.DictReader(table))


def _train(job: Job, lessons: Any, fold: Any, sets: Any, settings: Config, folder: Path) -> dict[str, Any]:
    """Train, and ask for the family of each note of the sets."""
    from benchmarks.accuracy_contenders import CONTENDERS, Task

    recipe = hashlib.sha256(settings.recipe.model_dump_json().encode()).hexdigest()[:8]
    scratch = folder / "training" / f"{job.fold}-{job.contender}-{job.seed}-{recipe}"
    task = Task(lessons, fold, job.seed, settings.recipe, settings.spectrogram, scratch)
    wall, cpu = time.monotonic(), time.process_time()
    answer = CONTENDERS.get(job.contender, CONTENDERS[OURS])(task)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    result = {
        "wall_s": wall,
        "cpu_s": cpu,
        "load": os.getloadavg()[0],
        "train_instruments": len(np.unique(lessons.instrument[fold.train])),
        "train_notes": len(fold.train),
        "answers": {asked.name: answer(asked.notes, asked.chosen).tolist() for asked in sets},
    }
    shutil.rmtree(scratch, ignore_errors=True)
    return result


if __name__ == "__main__":
    main()

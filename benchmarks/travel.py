"""How well a recipe travels to out-of-domain sounds: `python -m benchmarks.travel`. Recipes are chosen on its figure.

dev, valid and test of the demo notes come from the SoundFonts that the model learned from. Here each lineage of
SoundFonts is held out in turn, and every model is also asked about real recordings. The choosing part is to be looked
at as often as it takes. The final part (--final) holds other lineages, other recordings and the real NSynth notes:
ask it once, about what has been chosen. Each call that trains adds a line to docs/looks.csv.
"""

import json
import logging
from pathlib import Path

import click

import nsynth
from benchmarks.harness import real_option, settings_options
from benchmarks.study import musicnn, notes, report
from benchmarks.study.contenders import FROZEN, OTHERS, OURS
from benchmarks.study.folds import held_out
from benchmarks.study.jobs import Job, Study, looks, measure
from pipeline.config import Config


@click.command()
@click.option("--folder", default="workspace/benchmarks/travel", show_default=True, type=Path,
              help="For notes and results: some 7 GB.")  # fmt: skip
@settings_options("configs/demo.yaml")
@click.option("--name", default=OURS, show_default=True,
              help="Row of this recipe of ours. The rows of other names stay and are compared.")  # fmt: skip
@click.option("--soundfont", "soundfonts", multiple=True, metavar="NAME|PATH", default=notes.SOUNDFONTS,
              show_default=True, help="SoundFonts of unrelated lineages; may be repeated.")  # fmt: skip
@click.option("--final", is_flag=True, help="The part that nothing was chosen on.")
@click.option(
    "--seeds", default=2, show_default=True, help="Trainings of ours on each fold: 5 for a finalist."
)
@click.option("--only", multiple=True, metavar="NAME", help="Train these contenders only.")
@real_option
def main(
    settings: Config,
    folder: Path,
    name: str,
    soundfonts: tuple[str, ...],
    final: bool,
    seeds: int,
    only: tuple[str, ...],
    real: Path | None,
) -> None:
    """Measure accuracy on lineages held out, recordings and real notes: ours, classical and frozen rows."""
    logging.basicConfig(format="%(message)s")
    if name in OTHERS:
        raise nsynth.UserError(f"--name {name} is another contender's")
    frozen = musicnn.weights() is not None
    if not frozen:
        click.echo(
            "left out: the rows of musicnn, which is not installed: pip install --no-deps musicnn==0.1.0"
        )
    part = "final" if final else "choosing"
    fonts, spectrogram = notes.installed(soundfonts), settings.spectrogram
    corpora = [
        options.model_copy(update={"soundfonts": fonts}) for options in (settings.corpus, notes.TESTED)
    ]
    lessons, judges = (notes.rendered(options, spectrogram, folder, frozen) for options in corpora)
    held = [font for font in fonts if (font in notes.CHOOSING_FONTS) != final]
    folds = [held_out(font, lessons, judges) for font in held]
    shared = notes.out_of_domain(part, real if final else None, spectrogram, folder, frozen)
    others = [other for other in OTHERS if frozen or other not in FROZEN]
    jobs = [*(Job(other, font, 0) for other in others for font in held),
            *(Job(name, font, seed) for seed in range(seeds) for font in held)]  # fmt: skip
    study = Study(settings, corpora, folds, shared, folder, f"results-{part}")
    measure(study, jobs, part, lambda job: not only or job.contender in only)
    results = [json.loads(file.read_text()) for file in sorted((folder / study.results).glob("*/*.json"))]
    title = f"{part.capitalize()} part: accuracy, %, 95 % intervals by instrument"
    columns = report.columns_of([*(fold.test for fold in folds), *shared])
    report.show(results, columns, name, title, f"The {part} part was asked {looks(part)} times.")
    click.echo(f"In all {sum(result['wall_s'] for result in results) / 60:.0f} minutes of training.")


if __name__ == "__main__":
    main()

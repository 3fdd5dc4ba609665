"""What the seed does to a first run's model: `python -m benchmarks.first_run`, after `make run`.

Trains the recipe again with several seeds, by the Trainer's own entry point, on the notes that the run has transformed,
and asks each exported model about the run's valid notes, whose instruments are not in train, as the gate does. With
--final it also asks about out-of-domain sounds: the final part of benchmarks/travel.py.
"""

import hashlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import click
import numpy as np
from rich.table import Table

import nsynth
from benchmarks.harness import real_option, settings_options
from benchmarks.study import report
from components.documents.document import Figure
from components.gate.bootstrap import Resampling
from components.gate.figures import overall
from pipeline.config import Config

_BATCH_SIZE = 32


class Answers(NamedTuple):
    """What a model answers about some notes."""

    probabilities: np.ndarray
    """float32 [notes, classes]"""
    novelty: np.ndarray
    """float32 [notes]"""
    labels: np.ndarray
    """int64 [notes]"""
    instruments: np.ndarray
    """Names, [notes]."""


@click.command()
@settings_options("configs/demo.yaml")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--final", is_flag=True, help="Ask about out-of-domain sounds, too.")
@real_option
def main(settings: Config, seeds: int, final: bool, real: Path | None) -> None:
    """Train a first run's recipe with several seeds and print what the gate would see of each model."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("trainer").setLevel(logging.INFO)
    folders, sets = models(settings, seeds), {"valid": valid_files(settings)}
    if final:
        from benchmarks.study.jobs import record_look

        out_of_domain = dict(_out_of_domain(settings, real))
        record_look("final", f"first run, {seeds} seeds", out_of_domain, seeds)
        sets |= out_of_domain
    for name, files in sets.items():
        show(name, [ask(folder, files) for folder in folders], settings)


def models(settings: Config, seeds: int) -> list[Path]:
    """Folders of the exported models of the seeds, each trained unless that was done before.

    Raises:
      UserError: the workspace holds no finished Transform.
    """
    from pipeline.fingerprint import step_fingerprint
    from trainer.run import run_fn

    graph = newest(settings, "Transform/transform_graph")
    examples = newest(settings, "Transform/transformed_examples")
    made_of = str((settings.recipe, settings.spectrogram, str(graph.resolve()), step_fingerprint("Trainer")))
    home = settings.workspace / "benchmarks" / "first_run" / hashlib.sha256(made_of.encode()).hexdigest()[:8]
    folders = []
    for seed in range(seeds):
        folder = home / f"seed-{seed}"
        if not folder.exists():
            click.echo(f"training with seed {seed}")
            recipe = settings.recipe.model_copy(update={"seed": seed, "warm_start": False})
            scratch = home / f"training-{seed}"
            given = SimpleNamespace(
                train_files=[f"{examples}/Split-train/*"],
                eval_files=[f"{examples}/Split-dev/*"],
                transform_graph_path=str(graph),
                serving_model_dir=str(folder),
                model_run_dir=str(scratch / "run"),
                base_model=None,
                hyperparameters=None,
                custom_config={
                    "recipe": recipe.model_dump(mode="json"),
                    "spectrogram": settings.spectrogram.model_dump(mode="json"),
                    "splits": settings.ingest.fractions,
                    "checkpoint_dir": str(scratch / "checkpoints"),
                },
            )
            run_fn(given)
            shutil.rmtree(scratch, ignore_errors=True)
        folders.append(folder)
    return folders


def newest(settings: Config, output: str) -> Path:
    """Find the newest artifact of a step's output, such as `Transform/transform_graph`.

    Raises:
      UserError: there is none.
    """
    found = [path for path in (settings.artifacts / output).glob("*") if path.name.isdecimal()]
    if not found:
        raise nsynth.UserError(f"there is no {output} in {settings.workspace}: run `make run` first")
    return max(found, key=lambda path: int(path.name))


def valid_files(settings: Config) -> list[Path]:
    """List the raw valid notes of the newest run.

    Raises:
      UserError: there are none.
    """
    return sorted((newest(settings, "ExampleGen/examples") / "Split-valid").glob("*"))


def ask(model: Path, files: Sequence[Path]) -> Answers:
    """Ask an exported model about the notes of TFRecord files, compressed or not."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))  # held: a signature alone does not keep its variables
    answer = loaded.signatures["serving_default"]
    spec = {
        nsynth.LABEL.id_key: tf.io.FixedLenFeature([], tf.int64),
        nsynth.GROUP.key: tf.io.FixedLenFeature([], tf.string),
    }
    found = []
    for file in files:
        records = tf.data.TFRecordDataset(str(file), "GZIP" if file.suffix == ".gz" else "")
        for batch in records.batch(_BATCH_SIZE).prefetch(1):
            told, note = answer(examples=batch), tf.io.parse_example(batch, spec)
            given = (told["probabilities"], told["novelty"], *(note[key] for key in spec))
            found.append([tensor.numpy() for tensor in given])
    return Answers(*(np.concatenate(column) for column in zip(*found, strict=True)))


def figures(answers: Answers, settings: Config) -> dict[str, Figure]:
    """Accuracy and macro recall with the gate's intervals."""
    gate = settings.gate
    resampling = Resampling.of(answers.instruments, gate.resamples, gate.confidence, gate.seed)
    return overall(answers.probabilities, answers.labels, resampling)


def show(name: str, answers: Sequence[Answers], settings: Config) -> None:
    """Print a row for each model, their mean, and what the mean of their probabilities would reach."""
    first = answers[0]
    columns = {"accuracy": settings.gate.min_accuracy, "macro_recall": settings.gate.min_macro_recall}
    instruments = len(np.unique(first.instruments))
    title = f"{name}: {len(first.labels):,} notes of {instruments} instruments, 95 % intervals"
    table = Table("seed", *(column.replace("_", " ") + ", %" for column in columns), title=title)
    told = [figures(model, settings) for model in answers]
    for seed, row in enumerate(told):
        table.add_row(str(seed), *(report.percent(row[column], 1) for column in columns))
    means, lows = ({c: [getattr(row[c], end) for row in told] for c in columns} for end in ("value", "low"))
    table.add_row("mean", *(f"{100 * np.mean(means[c]):.1f} ± {100 * np.std(means[c]):.1f}" for c in columns))
    if len(answers) > 1:
        together = first._replace(probabilities=np.mean([model.probabilities for model in answers], axis=0))
        found = figures(together, settings)
        table.add_row("all together", *(report.percent(found[column], 1) for column in columns))
    table.add_row("lowest lower bound", *(f"{100 * min(lows[c]):.1f}" for c in columns))
    if name == "valid":
        table.add_row("threshold of the gate", *(f"{100 * columns[c]:.1f}" for c in columns))
    report.print_table(table)


def _out_of_domain(settings: Config, real: Path | None) -> Iterator[tuple[str, list[Path]]]:
    """Sounds of the final part: a lineage not learned from, recordings, and real notes where they are present."""
    from benchmarks.study import notes, recordings
    from corpus.render import render_corpus

    folder = settings.workspace / "benchmarks" / "first_run"
    for font in set(notes.SOUNDFONTS) - set(notes.CHOOSING_FONTS) - set(settings.corpus.soundfonts):
        render_corpus(notes.TESTED.model_copy(update={"soundfonts": (font,)}), folder / font)
        yield f"{notes.lineage(font)}, not learned from", sorted((folder / font).glob("*.tfrecord"))
    if file := recordings.notes_file("final", folder):
        yield "recordings", [file]
    if real:
        yield "real notes", [real / recordings.REAL_NOTES]


if __name__ == "__main__":
    main()

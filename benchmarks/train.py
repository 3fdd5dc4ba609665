"""Training's speed and memory: `python -m benchmarks.train` prints a table and writes JSON beside it.

Each measurement is a fresh process and the variants take turns. The notes are noise in the layout of Transform, since
a spectrogram's numbers do not change how long it takes. The first epoch, in which TensorFlow traces, does not count.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks import harness
from pipeline.memory import peak_bytes

VARIANTS = {
    "pipeline": "as the pipeline trains",
    "in-memory": "the same on one batch held in memory",
    "plain": "plain Keras loop, all notes in memory",
    "plain-augmented": "the same, each batch augmented",
}
_DEV_NOTES = 64
_INSTRUMENTS = 40
_SHARDS = 4


@click.command()
@harness.sizes_option(2000, 8000)
@click.option("--epochs", default=3, show_default=True, help="Of each measurement; the first does not count.")
@harness.rounds_option(2)
@click.option("--size", default="small", show_default=True, help="Of the network.")
@click.option("--batch-size", default=32, show_default=True, help="Notes of a step.")
@harness.output_option("train")
def main(notes: tuple[int, ...], epochs: int, rounds: int, size: str, batch_size: int, output: Path) -> None:
    """Measure the Trainer's own loop against the same model fed from memory, and against a plain Keras loop."""
    sizes = sorted(notes)
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
        for count in sizes:
            _generate(Path(folder, str(count)), count)
        jobs = [(variant, sizes[0]) for variant in VARIANTS]
        jobs += [("pipeline", count) for count in sizes[1:]]
        each = {"folder": folder, "epochs": epochs, "size": size, "batch_size": batch_size}
        runs = [
            harness.fresh(
                measure, f"{count:,} notes: {VARIANTS[variant]}", variant=variant, count=count, **each
            )
            for _ in range(rounds)
            for variant, count in jobs
        ]
    result = {
        "machine": harness.machine(),
        "size": size,
        "batch_size": batch_size,
        "runs": runs,
        "summary": summarize(runs),
    }
    _print(result)
    harness.save(output, result)


def _generate(folder: Path, count: int) -> None:
    """Write transformed notes of every family in a few files, and some for dev."""
    import numpy as np
    import tensorflow as tf

    import nsynth
    from transform import codec, features
    from transform.options import SpectrogramOptions

    options, random = SpectrogramOptions(), np.random.default_rng(0)
    folder.mkdir(parents=True)
    shards = [(f"train-{shard}", len(range(shard, count, _SHARDS))) for shard in range(_SHARDS)]
    for name, size in [*shards, ("dev", _DEV_NOTES)]:
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for number in range(size):
                family = nsynth.FAMILIES[number % len(nsynth.FAMILIES)]
                note = {
                    features.LOG_MEL: random.standard_normal((options.frames, options.n_mels), np.float32),
                    features.LABEL_ID: number % len(nsynth.FAMILIES),
                    features.OPTIONAL["source"]: 0,
                    features.GROUP: f"{family}_acoustic_{number % _INSTRUMENTS:03}".encode(),
                    features.NOTE: f"{name}-{number}".encode(),
                    features.OPTIONAL["pitch"]: number % 128,
                    features.OPTIONAL["velocity"]: 100,
                }
                writer.write(codec.encode(note))


def measure(variant: str, count: int, folder: str, epochs: int, size: str, batch_size: int) -> dict[str, Any]:
    """Train in this process: notes a second and CPU milliseconds a note after the first epoch, peak memory."""
    from trainer import index
    from trainer.options import RecipeOptions
    from transform.options import SpectrogramOptions

    recipe, spectrogram = RecipeOptions(size=size, epochs=epochs, batch_size=batch_size), SpectrogramOptions()
    train = index.scan(index.expand([f"{folder}/{count}/train-*"]), spectrogram)
    if variant.startswith("plain"):
        marks = list(_plain_loop(recipe, spectrogram, train, augmented=variant == "plain-augmented"))
    else:
        dev = index.scan([f"{folder}/{count}/dev"], spectrogram)
        marks = _trainer_loop(recipe, spectrogram, train, dev, one_batch=variant == "in-memory")
    seconds, cpu = (sum(mark[place] for mark in marks[1:]) for place in (0, 1))
    trained = (epochs - 1) * -(-count // recipe.batch_size) * recipe.batch_size
    return {
        "variant": variant,
        "notes": count,
        "notes_per_s": trained / seconds,
        "cpu_ms_a_note": 1e3 * cpu / trained,
        "cores_used": cpu / seconds,
        "peak_rss_bytes": peak_bytes(),
        "load_1_min": os.getloadavg()[0],
    }


def _trainer_loop(
    recipe: Any, spectrogram: Any, train: Any, dev: Any, one_batch: bool
) -> list[tuple[float, float]]:
    """Run `trainer.fit` as it is, or with its input replaced by one batch; (wall, CPU) seconds of each epoch."""
    from unittest import mock

    import keras

    from trainer import fit, input
    from trainer.checkpoint import Checkpoint

    class Clock(keras.callbacks.Callback):
        """Comes last: the first batch of an epoch starts the clock, the last one stops it; dev is not in it."""

        def __init__(self) -> None:
            super().__init__()
            self.marks: list[tuple[float, float]] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._wall, self._cpu = time.perf_counter(), time.process_time()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch + 1 == steps:
                self.marks.append((time.perf_counter() - self._wall, time.process_time() - self._cpu))

    def in_memory(*arguments: Any, **_: Any) -> Any:
        return input.training_batches(*arguments).take(1).cache().repeat()

    clock, steps = Clock(), input.steps_per_epoch(train, recipe.batch_size)
    source = in_memory if one_batch else input.training_batches
    with (
        tempfile.TemporaryDirectory() as scratch,
        mock.patch.object(fit, "training_batches", source),
        mock.patch.object(fit, "_tensorboard", return_value=[clock]),
    ):
        fit.fit(recipe, spectrogram, train, dev, Checkpoint(Path(scratch)))
    return clock.marks


def _plain_loop(recipe: Any, spectrogram: Any, train: Any, augmented: bool) -> Iterator[tuple[float, float]]:
    """Train as one writes by hand: all notes as one tensor, `train_on_batch`; yield (wall, CPU) seconds an epoch."""
    import tensorflow as tf

    from trainer import devices, fit, input
    from trainer.augment import augment
    from trainer.heads import active_heads
    from trainer.model import build, with_auxiliary_heads
    from transform import codec, features

    devices.make_repeatable(recipe.seed)
    network = build(recipe, spectrogram.n_mels)
    model = with_auxiliary_heads(network, recipe, len(train.instruments))
    per_epoch = input.steps_per_epoch(train, recipe.batch_size)
    fit.compile_model(model, recipe, per_epoch)
    serialized = tf.data.TFRecordDataset(list(train.files)).batch(len(train)).get_single_element()
    parsed = codec.parse_batch(serialized, spectrogram)
    targets = input.targets_of(parsed, train.instrument, len(train.instruments))
    tensors = parsed[features.LOG_MEL], {head: targets[head] for head in active_heads(recipe)}
    batches = tf.data.Dataset.from_tensor_slices(tensors).shuffle(len(train), seed=0).repeat()
    batches = batches.batch(recipe.batch_size)
    if augmented:
        seed = tf.constant([0, 0], tf.int64)
        batches = batches.map(lambda notes, targets: augment(notes, targets, recipe.augment, seed))
    batches = iter(batches.prefetch(tf.data.AUTOTUNE))
    for _ in range(recipe.epochs):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(per_epoch):
            model.train_on_batch(*next(batches))
        yield time.perf_counter() - wall, time.process_time() - cpu


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of each variant, how the pipeline stands to the others, and how its memory grows."""
    smallest, largest = min(run["notes"] for run in runs), max(run["notes"] for run in runs)

    def middle(variant: str, notes: int, key: str) -> float:
        return median(run[key] for run in runs if (run["variant"], run["notes"]) == (variant, notes))

    speed = {variant: middle(variant, smallest, "notes_per_s") for variant in VARIANTS}
    cost = {variant: middle(variant, smallest, "cpu_ms_a_note") for variant in VARIANTS}
    memory = [middle("pipeline", notes, "peak_rss_bytes") for notes in (smallest, largest)]
    return {
        "notes_per_s": speed,
        "cpu_ms_a_note": cost,
        "pipeline_of_speed": {variant: speed["pipeline"] / speed[variant] for variant in VARIANTS},
        "pipeline_of_cpu": {variant: cost["pipeline"] / cost[variant] for variant in VARIANTS},
        "memory_growth": memory[1] / memory[0] - 1,
        "memory_growth_sizes": [smallest, largest],
    }


def _print(result: dict[str, Any]) -> None:
    summary = result["summary"]
    harness.print_table(
        ("notes", "notes/s", "CPU ms/note", "cores used", "peak RSS MB", "load"),
        (
            (
                VARIANTS[run["variant"]],
                f"{run['notes']:,}",
                f"{run['notes_per_s']:.0f}",
                f"{run['cpu_ms_a_note']:.2f}",
                f"{run['cores_used']:.2f}",
                f"{run['peak_rss_bytes'] / 1e6:,.0f}",
                f"{run['load_1_min']:.1f}",
            )
            for run in result["runs"]
        ),
    )
    for key, unit in (("pipeline_of_speed", "notes/s"), ("pipeline_of_cpu", "CPU time a note")):
        shares = ", ".join(
            f"{share:.2f} × {VARIANTS[v]}" for v, share in summary[key].items() if v != "pipeline"
        )
        click.echo(f"The pipeline's {unit}: {shares}")
    small, large = summary["memory_growth_sizes"]
    click.echo(f"Its peak memory from {small:,} to {large:,} notes: {summary['memory_growth']:+.1%}")


if __name__ == "__main__":
    main()

"""What keeps a few bytes a note, at a hundred times NSynth: `python -m benchmarks.hundredfold` prints time and memory.

Nothing is read but names: 30 million notes without their sound go through ingest's plan and account, and through the
drawing of training batches. Each is measured at a tenth of the notes too, in a process of its own, so that a cost which
grows faster than the notes shows.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

import nsynth
from benchmarks.harness import Run, fresh, machine, output_option, save, timed
from pipeline.memory import peak_bytes

_INSTRUMENT_NOTES = 300  # of NSynth's 1,006 instruments, about
_SHARD_NOTES = 1000
_RECORD_BYTES = 256_300
_BATCHES = 100


@click.command()
@click.option("--notes", default=30_000_000, show_default=True, help="The most; a tenth is measured too.")
@click.option("--part", "parts", multiple=True, help="Of plan, account and draw these alone.")
@output_option("hundredfold")
def main(notes: int, parts: tuple[str, ...], output: Path) -> None:
    """Simulate plan, account and index of very many notes, without their sound."""
    runs = []
    for part in parts or PARTS:
        for count in (notes // 10, notes):
            runs.append(fresh(measure, f"{part}, {count:,} notes …", part=part, notes=count))
            click.echo(line(runs[-1]))
    grown = growth(runs)
    for part, factor in grown.items():
        click.echo(f"{part}: a note costs {factor:.2f} × what it costs among a tenth as many")
    save(output, {"machine": machine(), "runs": runs, "growth": grown})


def _plan(notes: int) -> Callable[[], Any]:
    """Return the shuffle, put aside for the workers: which record goes where, from indexes of 10,000 notes each."""
    from components.ingest.index import Index
    from components.ingest.options import IngestOptions
    from components.ingest.shard import Layout, put_aside
    from components.ingest.shuffle import plan
    from components.ingest.sources import Form, Source

    def run() -> Any:
        indexes = []
        for first in range(0, notes, 10_000):
            offsets = np.arange(min(10_000, notes - first), dtype=np.int64) * _RECORD_BYTES
            source = Source("train", Form.TFRECORD, f"train-{first}.tfrecord")
            indexes.append(Index(source, offsets, np.full(len(offsets), _RECORD_BYTES - 16, np.uint32), []))
        with tempfile.TemporaryDirectory(prefix="bench-plan-") as folder:
            return put_aside(plan(indexes, IngestOptions()), Layout(folder, folder, folder, folder))

    return run


def _account(notes: int) -> Callable[[], Any]:
    """Return the account of what all workers tell, shard by shard; every thousandth waveform occurs twice."""
    from components.ingest.account import Account
    from components.ingest.options import IngestOptions
    from components.ingest.shard import Used

    def run() -> Any:
        account = Account([], IngestOptions())
        for first in range(0, notes, _SHARD_NOTES):
            used = []
            for place in range(first, min(first + _SHARD_NOTES, notes)):
                name, family, pitch, velocity = _named(place)
                sound = f"{place - (place % 1000 == 999):032x}"
                used.append(
                    Used(
                        "train",
                        f"{name}-{pitch:03d}-{velocity:03d}",
                        sound,
                        name,
                        {"family": family, "pitch": pitch},
                    )
                )
            account.add(used, [])
        return account.summary()

    return run


def _draw(notes: int) -> Callable[[], Any]:
    """Return the index of training: weights of all notes, and the draws of some batches."""
    import tensorflow as tf

    from trainer.index import NoteIndex
    from trainer.input import draw, draw_probabilities

    def run() -> Any:
        place = np.arange(notes, dtype=np.int64)
        instrument = (place // _INSTRUMENT_NOTES).astype(np.int32)
        index = NoteIndex(
            files=(),
            file=(place // _SHARD_NOTES).astype(np.int32),
            offset=place % _SHARD_NOTES * 64_100,
            family=instrument % len(nsynth.CLASSES),
            instrument=instrument,
            instruments=(),
            fingerprint="",
        )
        cumulated = tf.cumsum(draw_probabilities(index, 0.5))
        batch = tf.function(lambda step: draw(step, cumulated, 32, 0))
        return [batch(tf.constant(step, tf.int64)) for step in range(_BATCHES)]

    return run


PARTS = {"plan": _plan, "account": _account, "draw": _draw}


def _named(place: int) -> tuple[str, int, int, int]:
    """Name of an instrument, its family, and pitch and velocity of a note: no two notes share all of them."""
    instrument, within = divmod(place, _INSTRUMENT_NOTES)
    family = instrument % len(nsynth.CLASSES)
    return (
        f"{nsynth.CLASSES[family]}_acoustic_{instrument:06d}",
        family,
        within % 128,
        25 * (1 + within // 128),
    )


def measure(part: str, notes: int) -> Run:
    """Run one part in this process; memory is what it takes beyond the imports."""
    run = PARTS[part](notes)
    before = peak_bytes()
    taken = timed(run)
    return {"part": part, "notes": notes, "added_rss_bytes": taken.pop("peak_rss_bytes") - before, **taken}


def growth(runs: list[Run]) -> dict[str, float]:
    """Of each part: CPU time of a note among most notes over that among fewest."""
    found = {}
    for part in dict.fromkeys(run["part"] for run in runs):
        costs = {run["notes"]: run["cpu_s"] / run["notes"] for run in runs if run["part"] == part}
        found[part] = costs[max(costs)] / costs[min(costs)]
    return found


def line(run: Run) -> str:
    """Return a measurement in words."""
    return (
        f"{run['part']:8} {run['notes']:>11,} notes  {run['cpu_s']:7.1f} CPU s ({run['wall_s']:.1f} s)  "
        f"{run['added_rss_bytes'] / 1e6:8,.0f} MB, {run['added_rss_bytes'] / run['notes']:.0f} bytes a note"
    )


if __name__ == "__main__":
    main()

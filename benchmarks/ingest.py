"""Ingest against stock ImportExampleGen: `python -m benchmarks.ingest` prints a table and writes JSON beside it.

Each measurement is a fresh process, the variants take turns, and imports do not count towards time (they do towards
memory). The notes are generated tones, in one TFRecord ordered by family.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import psutil

from benchmarks import harness
from benchmarks.stock import BEAM_ARGS, write_without_gzip

VARIANTS = {
    "copy": "a plain copy of the file",
    "stock": "stock ImportExampleGen",
    "stock-no-gzip": "the same without gzip",
    "ours": "ours, 1 worker",
    "ours-2": "ours, 2 workers",
}

_TWO_WORKERS = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")
_INDEXED_RECORDS = 100_000
_RECORD_BYTES = 256_300


@click.command()
@harness.sizes_option(2000, 8000)
@harness.rounds_option(1)
@harness.output_option("ingest")
@harness.scratch_option("some 5 GB at 8,000 notes")
@click.option(
    "--index/--no-index", default=True, help="Time the header scan of 100,000 records (needs 800 MB)."
)
def main(notes: tuple[int, ...], rounds: int, output: Path, scratch: str | None, index: bool) -> None:
    """Measure stock ImportExampleGen, the same without gzip, and our ingest."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-", dir=scratch) as folder:
        runs = _compare(sorted(notes), rounds, Path(folder))
        result = {"machine": harness.machine(), "runs": runs, "summary": summarize(runs)}
        if index:
            result["index"] = _time_index(Path(folder) / "index.tfrecord")
    _print(result)
    harness.save(output, result)


def _compare(sizes: list[int], rounds: int, folder: Path) -> list[dict[str, Any]]:
    from benchmarks.synthetic import write_tfrecord

    for size in sizes:
        (folder / str(size)).mkdir()
        click.echo(f"Generating {size:,} notes", err=True)
        write_tfrecord(folder / str(size) / "nsynth-train.tfrecord", size)
    runs = []
    for size in sizes:
        for _ in range(rounds):
            for variant in VARIANTS:
                label = f"{size:,} notes: {VARIANTS[variant]}"
                job = {"variant": variant, "notes": size}
                folders = {"data": str(folder / str(size)), "out": str(folder / "out")}
                runs.append(harness.fresh(measure, label, **job, **folders))
                shutil.rmtree(folder / "out")
    return runs


def measure(variant: str, notes: int, data: str, out: str) -> dict[str, Any]:
    """Run one variant in this process: wall and CPU seconds, peak memory, bytes written."""
    prepare = {"copy": _prepare_copy, "ours": _prepare_ours, "ours-2": _prepare_ours}.get(
        variant, _prepare_stock
    )
    run = prepare(variant, data, out)
    imported_rss = psutil.Process().memory_info().rss
    took = harness.timed(run)
    return {
        "variant": variant,
        "notes": notes,
        **took,
        "notes_per_s": notes / took["wall_s"],
        "imported_rss_bytes": imported_rss,
        "written_bytes": harness.written_bytes(out, "*tfrecord*"),
    }


def _prepare_copy(variant: str, data: str, out: str) -> Callable[[], None]:
    """Return the floor: what the disk takes for the same bytes, synchronized as our shards are."""

    def copy() -> None:
        os.makedirs(out)
        for file in Path(data).iterdir():
            target = shutil.copy(file, out)
            with open(target, "rb") as written:
                os.fsync(written.fileno())

    return copy


def _prepare_ours(variant: str, data: str, out: str) -> Callable[[], None]:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from components.artifacts import QuarantinedNotes
    from components.ingest.component import NSynthExampleGen
    from components.ingest.executor import Executor

    outputs: dict[str, list[Any]] = {
        "examples": [standard_artifacts.Examples()],
        "scalars": [standard_artifacts.Examples()],
        "sample": [standard_artifacts.Examples()],
        "quarantine": [QuarantinedNotes()],
    }
    for name, [artifact] in outputs.items():
        artifact.uri = f"{out}/{name}/1"
    beam_args = [*BEAM_ARGS, *(_TWO_WORKERS if variant == "ours-2" else ())]
    executor = Executor(BaseBeamExecutor.Context(beam_pipeline_args=beam_args))
    properties = _properties(NSynthExampleGen(data))
    return lambda: executor.Do({}, outputs, properties)


def _prepare_stock(variant: str, data: str, out: str) -> Callable[[], None]:
    from tfx.components.example_gen.import_example_gen.component import ImportExampleGen
    from tfx.components.example_gen.import_example_gen.executor import Executor
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    if variant == "stock-no-gzip":
        write_without_gzip()
    split = example_gen_pb2.Input.Split(name="train", pattern="*")
    component = ImportExampleGen(
        data, example_gen_pb2.Input(splits=[split]), output_config=example_gen_pb2.Output()
    )
    examples = standard_artifacts.Examples()
    examples.uri = f"{out}/examples/1"
    executor = Executor(BaseBeamExecutor.Context(beam_pipeline_args=list(BEAM_ARGS)))
    properties = _properties(component)
    properties["output_config"] = "{}"
    return lambda: executor.Do({}, {"examples": [examples]}, properties)


def _properties(component: Any) -> dict[str, Any]:
    from tfx.utils import proto_utils

    return {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in component.exec_properties.items()
    }


def _time_index(path: Path) -> dict[str, Any]:
    """Scan the headers of 100,000 records of a note's size; the data between them is a hole in the file."""
    from components.ingest.index import scan
    from components.ingest.sources import Form, Source
    from components.tfrecord import FRAME_BYTES, HEADER_BYTES, frame

    click.echo(f"Indexing {_INDEXED_RECORDS:,} records", err=True)
    header = frame(bytes(_RECORD_BYTES - FRAME_BYTES))[:HEADER_BYTES]
    with path.open("wb") as file:
        for place in range(_INDEXED_RECORDS):
            file.seek(place * _RECORD_BYTES)
            file.write(header)
        file.truncate(_INDEXED_RECORDS * _RECORD_BYTES)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        assert scan(Source("train", Form.TFRECORD, str(path))).notes == _INDEXED_RECORDS
        seconds.append(time.monotonic() - started)
    path.unlink()
    return {"records": _INDEXED_RECORDS, "cold_s": seconds[0], "cached_s": seconds[1]}


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of the rounds, and the questions that they answer."""
    sizes = sorted({run["notes"] for run in runs})
    table = {
        variant: {
            size: {
                key: median(r[key] for r in runs if (r["variant"], r["notes"]) == (variant, size))
                for key in (
                    "wall_s",
                    "cpu_s",
                    "notes_per_s",
                    "peak_rss_bytes",
                    "imported_rss_bytes",
                    "written_bytes",
                )
            }
            for size in sizes
        }
        for variant in VARIANTS
    }
    small, large = sizes[0], sizes[-1]
    ours, stock, plain, two, copy = (
        table[name] for name in ("ours", "stock", "stock-no-gzip", "ours-2", "copy")
    )
    summary: dict[str, Any] = {
        "table": table,
        "speed_over_stock": {s: ours[s]["notes_per_s"] / stock[s]["notes_per_s"] for s in sizes},
        "speed_over_stock_no_gzip": {s: ours[s]["notes_per_s"] / plain[s]["notes_per_s"] for s in sizes},
        "cpu_over_stock": {s: stock[s]["cpu_s"] / ours[s]["cpu_s"] for s in sizes},
        "wall_over_a_copy": {s: two[s]["wall_s"] / copy[s]["wall_s"] for s in sizes},
        "two_workers_over_one": {s: two[s]["notes_per_s"] / ours[s]["notes_per_s"] for s in sizes},
        "peak_rss_growth": ours[large]["peak_rss_bytes"] / ours[small]["peak_rss_bytes"] - 1,
        "cost_per_note_change": ours[large]["wall_s"] / large / (ours[small]["wall_s"] / small) - 1,
        "cpu_per_note_change": ours[large]["cpu_s"] / large / (ours[small]["cpu_s"] / small) - 1,
    }
    if large > small:
        summary["extrapolated_to_official"] = _extrapolate(two, small, large)
    return summary


def _extrapolate(table: dict[int, dict[str, float]], small: int, large: int) -> dict[str, float]:
    """From the slope between two sizes, two workers, to all of NSynth: not measured."""

    def at_full(key: str) -> float:
        slope = (table[large][key] - table[small][key]) / (large - small)
        return table[large][key] + slope * (harness.OFFICIAL_NOTES - large)

    keys = ("wall_s", "cpu_s", "peak_rss_bytes", "written_bytes")
    return {"notes": harness.OFFICIAL_NOTES} | {key: at_full(key) for key in keys}


def _print(result: dict[str, Any]) -> None:
    summary = result["summary"]
    megabytes = ("peak_rss_bytes", "imported_rss_bytes", "written_bytes")
    harness.print_table(
        ("notes", "notes/s", "wall s", "CPU s", "CPU ms/note", "peak RSS MB", "imports MB", "written MB"),
        (
            (
                VARIANTS[variant],
                f"{size:,}",
                f"{row['notes_per_s']:.0f}",
                f"{row['wall_s']:.1f}",
                f"{row['cpu_s']:.1f}",
                f"{row['cpu_s'] / size * 1e3:.2f}",
                *(f"{row[key] / 1e6:,.0f}" for key in megabytes),
            )
            for variant, by_size in summary["table"].items()
            for size, row in by_size.items()
        ),
    )
    for size in summary["speed_over_stock"]:
        click.echo(
            f"{int(size):,} notes: {summary['speed_over_stock'][size]:.1f}× stock's notes/s, "
            f"{summary['speed_over_stock_no_gzip'][size]:.1f}× stock's without gzip; "
            f"stock takes {summary['cpu_over_stock'][size]:.1f}× the CPU; "
            f"2 workers {summary['two_workers_over_one'][size]:.2f}× 1 worker, "
            f"{summary['wall_over_a_copy'][size]:.1f}× the time of a copy"
        )
    click.echo(
        f"From the smallest to the largest: peak RSS {summary['peak_rss_growth']:+.1%}, "
        f"time per note {summary['cost_per_note_change']:+.1%}, CPU per note {summary['cpu_per_note_change']:+.1%}"
    )
    if index := result.get("index"):
        click.echo(
            f"Header scan of {index['records']:,} records: {index['cold_s']:.1f} s from disk, "
            f"{index['cached_s']:.1f} s from the page cache"
        )
    if full := summary.get("extrapolated_to_official"):
        click.echo(
            f"EXTRAPOLATED from the slope to all {full['notes']:,} notes, 2 workers: {full['wall_s'] / 60:.0f} min, "
            f"{full['peak_rss_bytes'] / 1e9:.2f} GB of memory, {full['written_bytes'] / 1e9:.0f} GB written"
        )


if __name__ == "__main__":
    main()

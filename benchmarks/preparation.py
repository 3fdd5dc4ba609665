"""The whole preparation of data against stock TFX: `python -m benchmarks.preparation` prints a table for the README.

Both sides run as TFX pipelines on the same TFRecord of generated tones: ingest, statistics, validation, Transform with
the same `preprocessing_fn`. Ours does more: it checks every note, shuffles, splits by instrument, and the data gate
judges. Each run is a fresh process, the sides take turns, and imports do not count towards time.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import harness, stock
from benchmarks.harness import OFFICIAL_NOTES

SIDES = {"stock": "stock components", "ours": "ours", stock.ONE_CORE: "ours, pinned to one core"}
STEPS = {
    "ingest": ("ImportExampleGen", "ExampleGen"),
    "statistics": ("StatisticsGen",),
    "validation": ("ImportSchemaGen", "Schema", "ExampleValidator", "DataGate"),
    "Transform": ("Transform",),
}
_DEV_IN_HASH_BUCKETS = (19, 1)  # stock's way to some 5 % of dev


@click.command()
@harness.sizes_option(2000, 8000)
@stock.side_option(SIDES)
@harness.output_option("preparation")
@harness.scratch_option("some 8 GB at 8,000 notes")
def main(notes: tuple[int, ...], side: tuple[str, ...], output: Path, scratch: str | None) -> None:
    """Measure ingest, statistics, validation and Transform together, against the stock components."""
    with tempfile.TemporaryDirectory(prefix="bench-preparation-", dir=scratch) as folder:
        runs = _compare(sorted(notes), side, Path(folder))
    result = {"machine": harness.machine(), "runs": runs, "summary": summarize(runs)}
    click.echo(table(result))
    harness.save(output, result)


def _compare(sizes: list[int], sides: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    from benchmarks.synthetic import write_tfrecord

    runs = []
    data, out = folder / "data", folder / "out"
    for size in sizes:
        data.mkdir()
        write_tfrecord(data / "nsynth-train.tfrecord", size)
        for side in sides:
            label = f"{size:,} notes: {SIDES[side]}"
            job = {"side": side, "count": size, "data": str(data), "out": str(out)}
            runs.append(harness.fresh(measure, label, **job))
            shutil.rmtree(out)
        shutil.rmtree(data)
    return runs


def measure(side: str, count: int, data: str, out: str) -> dict[str, Any]:
    """Run one side in this process: seconds of wall and CPU time, of each part too, and peak memory."""
    steps = _stock if side == "stock" else _ours
    run = stock.measure("preparation", side, count, lambda: steps(data, Path(out)), Path(out), STEPS)
    return {**run, "written_bytes": harness.written_bytes(out)}


def _ours(data: str, out: Path) -> list[Any]:
    """Return the steps of `nsynth run` up to Transform; nothing is held out for tests, all notes are transformed."""
    from components.ingest.options import IngestOptions
    from pipeline.config import Config
    from pipeline.data_steps import prepare

    ingest = IngestOptions(dev_fraction=0.05, valid_fraction=0, test_fraction=0)
    config = Config(workspace=out, data=data, ingest=ingest)
    return prepare(config).steps


def _stock(data: str, out: Path) -> list[Any]:
    """TFX's components, left as they come but for the splits."""
    from tfx.components import ExampleValidator, ImportExampleGen, StatisticsGen, Transform
    from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
    from tfx.proto import example_gen_pb2, transform_pb2

    from transform.component import PREPROCESSING_FN
    from transform.options import SpectrogramOptions
    from transform.schema import make_schema

    split = example_gen_pb2.SplitConfig.Split
    buckets = zip(("train", "dev"), _DEV_IN_HASH_BUCKETS, strict=True)
    splits = example_gen_pb2.SplitConfig(splits=[split(name=n, hash_buckets=b) for n, b in buckets])
    notes = example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern="*")])
    ingest = ImportExampleGen(data, notes, output_config=example_gen_pb2.Output(split_config=splits))
    statistics = StatisticsGen(examples=ingest.outputs["examples"])
    schema_file = out / "schema.pbtxt"
    out.mkdir(parents=True, exist_ok=True)
    schema_file.write_text(str(make_schema()))
    schema = ImportSchemaGen(schema_file=str(schema_file))
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    transform = Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=PREPROCESSING_FN,
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "dev"]),
        custom_config={"spectrogram": SpectrogramOptions().model_dump(mode="json")},
    )
    return [ingest, statistics, schema, validator, transform]


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a note costs each side, from the smallest to the largest run, and what is fixed."""
    return {side: harness.costs(of[0], of[-1]) for side, of in stock.by_side(runs).items() if len(of) > 1}


def table(result: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    runs = sorted(result["runs"], key=lambda run: (run["notes"], list(SIDES).index(run["side"])))
    text = stock.markdown(runs, SIDES)
    for side, costs in result["summary"].items():
        text += (
            f"\n\n{SIDES[side]}: {costs['fixed_wall_s']:.1f} s and {costs['wall_ms_a_note']:.2f} ms a note of wall "
            f"time, {costs['fixed_cpu_s']:.1f} s and {costs['cpu_ms_a_note']:.2f} ms a note of CPU time, start-up of "
            f"workers included; peak memory grows by "
            f"{costs['peak_rss_growth']:+.0%}. EXTRAPOLATED from the slope to all {OFFICIAL_NOTES:,} notes: "
            f"{costs['extrapolated_official_wall_h']:.1f} h, {costs['extrapolated_official_cpu_h']:.1f} CPU hours."
        )
    return text + stock.gains(runs, "ours")


if __name__ == "__main__":
    main()

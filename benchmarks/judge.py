"""What it costs to judge a candidate against a champion: `python -m benchmarks.judge` prints a table.

Both sides run Predictor, Evaluator and Gate as a TFX pipeline on the same notes and models. The stock side's Evaluator
is TFX's as it comes: it reads the notes with their sound and asks both models itself. Each run is a fresh process, the
sides take turns, and imports do not count.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import harness, stock

SIDES = {
    "stock": "stock Evaluator asks the models",
    "ours": "the models are asked once",
    stock.ONE_CORE: "the same, pinned to one core",
}
STEPS = {step: (step,) for step in ("Predictor", "Evaluator", "Gate")}
SPLIT = "valid"
_FILES = 4  # of notes, as ingest writes at least


@click.command()
@harness.sizes_option(500, 2000)
@stock.side_option(SIDES)
@click.option("--size", default="small", show_default=True, help="Of the network.")
@harness.output_option("judge")
@harness.scratch_option("256 KB a note")
def main(notes: tuple[int, ...], side: tuple[str, ...], size: str, output: Path, scratch: str | None) -> None:
    """Measure Predictor, Evaluator and Gate together, with a champion, against an Evaluator that asks by itself."""
    runs = []
    with tempfile.TemporaryDirectory(prefix="bench-judge-", dir=scratch) as folder:
        model = harness.fresh(train, "a model to judge", folder=folder, size=size)["model"]
        for count in sorted(notes):
            for one in side:
                label = f"{count:,} notes: {SIDES[one]}"
                runs.append(harness.fresh(measure, label, side=one, count=count, folder=folder, model=model))
                shutil.rmtree(Path(folder, "out"))
    result = {"machine": harness.machine(), "size": size, "runs": runs, "summary": summarize(runs)}
    click.echo(table(result))
    harness.save(output, result)


def measure(side: str, count: int, folder: str, model: str) -> dict[str, Any]:
    """Run one side in this process: seconds of wall and CPU time, wall time of each step, and peak memory."""
    notes, out = Path(folder, f"{count}", f"Split-{SPLIT}"), Path(folder, "out")

    def steps() -> list[Any]:
        _write(notes, count)
        return _judging(side, notes.parent, Path(model))

    return stock.measure("judge", side, count, steps, out, STEPS)


def _write(notes: Path, count: int) -> None:
    from benchmarks.synthetic import write_tfrecord

    if not notes.exists():
        notes.mkdir(parents=True)
        for number in range(_FILES):
            write_tfrecord(notes / f"notes-{number}", count // _FILES, seed=number)


def train(folder: str, size: str) -> dict[str, Any]:
    """Train a model for one epoch by the whole pipeline; how long it takes to answer is all that matters."""
    from benchmarks.synthetic import write_tfrecord
    from components.gate.options import GateOptions
    from components.ingest.options import IngestOptions
    from pipeline.config import Config
    from pipeline.history.past_runs import load_run, open_store
    from pipeline.local_runner import run_local
    from trainer.options import RecipeOptions

    work = Path(folder, "training")
    (work / "data").mkdir(parents=True)
    write_tfrecord(work / "data" / "nsynth-train.tfrecord", 220)
    config = Config(
        workspace=work,
        data=str(work / "data"),
        ingest=IngestOptions(dev_fraction=0.15, valid_fraction=0.15, test_fraction=0),
        recipe=RecipeOptions(size=size, epochs=1),
        gate=GateOptions(min_accuracy=1),
    )
    run_local(config)
    [model] = load_run(open_store(work / "metadata.sqlite")).steps["Trainer"].outputs["model"]
    return {"model": str(model.path)}


def _judging(side: str, notes: Path, model: Path) -> list[Any]:
    """Return the steps of one side; candidate and champion are the same model, which costs what two cost."""
    from tfx import components as tfx_components
    from tfx.dsl.components.common.importer import Importer
    from tfx.types.standard_artifacts import Examples, Model

    from components.evaluator.component import BANDS, Evaluator
    from components.gate.component import Gate
    from components.gate.options import GateOptions
    from components.predictor.component import Predictor

    examples = Importer(
        source_uri=str(notes),
        artifact_type=Examples,
        properties={"split_names": json.dumps([SPLIT])},
        custom_properties={"payload_format": "FORMAT_TF_EXAMPLE"},
    ).with_id("Notes")
    imported = Importer(source_uri=str(model), artifact_type=Model).with_id("Model")
    candidate = imported.outputs["result"]
    predictor = Predictor(
        examples=examples.outputs["result"],
        model=candidate,
        push_destination=str(_served(model)),
        split=SPLIT,
    )
    predictions, champion = predictor.outputs["predictions"], predictor.outputs["champion"]
    options = GateOptions()
    if side != "stock":
        evaluator = Evaluator(
            predictions, candidate, champion, options.min_accuracy, options.margin, options.edges
        )
    else:
        evaluator = tfx_components.Evaluator(
            examples=examples.outputs["result"],
            model=candidate,
            baseline_model=champion,
            eval_config=_stock_config(options),
            example_splits=[SPLIT],
            module_path=BANDS,
        )
    gate = Gate(predictions=predictions, options=options, split=SPLIT)
    return [examples, imported, predictor, evaluator, gate]


def _served(model: Path) -> Path:
    """Return a folder of versions in which the model serves, as another tool would have pushed it."""
    models = model.parent / "served"
    if not models.exists():
        shutil.copytree(model / "Format-Serving", models / "1")
    return models


def _stock_config(options: Any) -> Any:
    """Return the same metrics, slices and thresholds, as TFMA has them, of models that it asks."""
    from google.protobuf import text_format
    from tensorflow_model_analysis.proto import config_pb2

    import nsynth
    from components.evaluator.eval_config import eval_config

    config = eval_config(options.min_accuracy, options.margin, options.edges)
    del config.model_specs[:]
    config.model_specs.add(
        signature_name="serving_default",
        model_type="tf_generic",
        label_key=nsynth.LABEL.id_key,
        prediction_key="probabilities",
    )
    of_each_class = config.metrics_specs[1]
    del of_each_class.metrics[:]
    for name in ("Precision", "Recall"):
        text = f"metrics {{ class_name: '{name}' config: '\"top_k\": 1' }}"
        of_each_class.MergeFrom(text_format.Parse(text, config_pb2.MetricsSpec()))
    return config


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a note costs each side: from the smallest to the largest run, and in that one with its start-up."""
    summary: dict[str, Any] = {}
    for side, of_side in stock.by_side(runs).items():
        if len(of_side) > 1:
            last = of_side[-1]
            with_start = {
                f"{clock}_ms_a_note_with_start": last[f"{clock}_s"] / last["notes"] * 1e3
                for clock in ("wall", "cpu")
            }
            summary[side] = {"notes": last["notes"], **with_start, **harness.costs(of_side[0], last)}
    return summary


def table(result: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    text = stock.markdown(result["runs"], SIDES)
    for side, costs in result["summary"].items():
        text += (
            f"\n\n{SIDES[side]}: one more note {costs['cpu_ms_a_note']:.2f} ms of CPU time and "
            f"{costs['wall_ms_a_note']:.2f} ms by the clock; of {costs['notes']:,} notes, start-up included, each "
            f"{costs['cpu_ms_a_note_with_start']:.2f} and {costs['wall_ms_a_note_with_start']:.2f} ms; peak memory "
            f"grows by {costs['peak_rss_growth']:+.0%}."
        )
    summary = result["summary"]
    if {"stock", "ours"} <= summary.keys():
        ratios = (summary["stock"][key] / summary["ours"][key] for key in ("cpu_ms_a_note", "wall_ms_a_note"))
        text += "\n\nStock takes {:.1f} times the CPU time and {:.1f} times as long a note.".format(*ratios)
    return text + stock.gains(result["runs"], "ours")


if __name__ == "__main__":
    main()

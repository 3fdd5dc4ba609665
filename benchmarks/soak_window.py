"""What one new span among ten costs: `python -m benchmarks.soak_window`.

Three rounds, each in a process of its own: ten spans that are all new; one more span, so that the window holds one
new span among ten; and that one span alone in a fresh workspace. The preparation of data (ingest, judgement,
spectrograms) of the second should cost little more than that of the third. Training goes over the whole window by
its nature, and is told apart. Seconds are CPU seconds, since a busy machine stretches the others.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks import harness
from benchmarks.soak import configure
from benchmarks.soak_spans import Deliveries
from pipeline.config import Config
from pipeline.retrain.round import Retraining
from pipeline.retrain.spans import folder_name
from pipeline.step_names import without_span

WINDOW = 10
RECIPE = ("recipe.epochs=1",)
PARTS = {
    "ingest": ("ExampleGen", "HeldOut"),
    "judgement": (
        "StatisticsGen",
        "ExampleValidator",
        "DataGate",
        "Apart",
        "Drift",
        "Serving",
    ),
    "spectrograms": ("Transform", "EarlierCache", "Schema"),
    "training": ("Trainer", "WarmStart"),
    "gate, canary, push": (
        "Predictor",
        "Evaluator",
        "Gate",
        "PredictorNewest",
        "GateNewest",
        "Canary",
        "Pusher",
    ),
}
PREPARATION = ("ingest", "judgement", "spectrograms")


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Return round → part of the work → CPU seconds of its steps."""
    deliveries = Deliveries(folder / "data")
    for _ in range(WINDOW):
        deliveries.deliver("ordinary")
    config = _with_window(configure(folder / "window", deliveries.spans, deliveries.holdout, RECIPE))
    found = {f"{WINDOW} new spans": _round(config)}
    newest = deliveries.deliver("ordinary")
    found[f"one new span among {WINDOW}"] = _round(config)
    alone = folder / "alone-data" / folder_name(newest)
    shutil.copytree(deliveries.spans / folder_name(newest), alone)
    config = _with_window(configure(folder / "alone", alone.parent, deliveries.holdout, RECIPE))
    found["that span alone"] = _round(config)
    return found


def _with_window(config: Config) -> Config:
    return config.model_copy(update={"retrain": config.retrain.model_copy(update={"window": WINDOW})})


def _round(config: Config) -> dict[str, float]:
    done = Retraining(config).retrain("soak_window")
    if not done.outcome.settles:
        raise RuntimeError(f"{done.outcome}: {done.words}")
    return by_part(done.facts["cpu_seconds"])


def by_part(steps: dict[str, float]) -> dict[str, float]:
    """Sum the CPU seconds of steps; steps of one span are called `<step>-<span>`."""
    kinds = {kind: part for part, names in PARTS.items() for kind in names}
    sums = dict.fromkeys(PARTS, 0.0)
    for name, seconds in steps.items():
        sums[kinds[without_span(name)]] += seconds
    return {**sums, "preparation": sum(sums[part] for part in PREPARATION)}


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as Markdown."""
    parts = [*PREPARATION, "preparation", *(part for part in PARTS if part not in PREPARATION)]
    names = {"preparation": "preparation in all"}
    rows = ([names.get(part, part), *(f"{s[part]:.1f}" for s in found.values())] for part in parts)
    return harness.markdown(["CPU seconds", *found], rows)


def is_cheap(found: dict[str, Any]) -> bool:
    """Return whether what the nine old spans add to the new one is below a quarter of what ten new ones cost."""
    all_new, one_new, alone = (seconds["preparation"] for seconds in found.values())
    return one_new - alone <= 0.25 * all_new


@click.command()
@click.option(
    "--folder", default="workspace/soak-window", show_default=True, type=Path, help="Is emptied first."
)
def main(folder: Path) -> int:
    """Measure a round with one new span among ten."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = measure(folder)
    click.echo(table(found))
    harness.save(folder / "result.json", found)
    if is_cheap(found):
        return 0
    click.echo("the old spans cost too much")
    return 1


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))

"""How the training went: loss and accuracy on train and dev, the learning rate, the kept epoch."""

import json
import statistics
from typing import Any

from markupsafe import Markup

from pipeline.history.past_runs import Step
from pipeline.report import charts, vega
from pipeline.report.record import Absent, RunRecord

_LEGEND_HEIGHT = 30  # px; the chart without a legend is to stand level with the others
TRIALS_FILE = "tuner_results.json"  # TFX's name
CURVES = {
    "loss": ("loss", "dev_loss", "Loss", ".2f"),
    "accuracy": ("accuracy", "dev_accuracy", "Accuracy", ".0%"),
}


def build(record: RunRecord) -> dict[str, Any]:
    """Return curves and the model's size."""
    history = record.json("Trainer", "model_run", "history.json")
    epochs, kept = history["epochs"], history["kept_epoch"]
    return {
        "history": history,
        "kept": next(row for row in epochs if row["epoch"] == kept),
        "seconds": sum(row["seconds"] for row in epochs),
        "time": time_spent(epochs, record.finished("Trainer")),
        "trials": trials(record),
        "files": {"history.csv": epochs},
        "curves": [curve(epochs, kept, *keys) for keys in CURVES.values()] + [_learning_rate(epochs)],
    }


def time_spent(epochs: list[dict[str, Any]], step: Step) -> list[tuple[str, float]]:
    """Name and seconds of what the Trainer's time went into; start-up is unknown of a cached step."""
    dev = sum(row.get("dev_seconds", 0.0) for row in epochs)
    training = sum(row["seconds"] for row in epochs) - dev
    later = [row["seconds"] - row.get("dev_seconds", 0.0) for row in epochs[1:]]
    first = (
        epochs[0]["seconds"] - epochs[0].get("dev_seconds", 0.0) - statistics.median(later) if later else 0.0
    )
    first = max(first, 0.0)
    rows = [("Building and compiling the graph (first epoch less the median epoch)", first)] if first else []
    rows.append(("Training on train" if dev else "Training on train, evaluation on dev", training - first))
    if dev:
        rows.append(("Evaluation on dev", dev))
    rest = step.seconds - training - dev
    if step.state == "COMPLETE" and rest > 0:
        rows.append(("Start-up, reading the notes, export", rest))
    return rows


def trials(record: RunRecord) -> list[dict[str, Any]]:
    """Return the Tuner's trials, the best first: dev loss and the recipe values drawn; none without a Tuner."""
    try:
        file = record.file("Tuner", "tuner_results", TRIALS_FILE)
    except Absent:
        return []
    rows = [
        {"trial": row.pop("trial_id"), "dev loss": row.pop("score"), **row}
        for row in json.loads(file.read_text())
    ]
    return sorted(rows, key=lambda row: row["dev loss"])


def curve(epochs: list[dict[str, Any]], kept: int, train: str, dev: str, title: str, form: str) -> Markup:
    """One measure by epoch, on train and on the held-out dev instruments; a line marks the kept epoch."""
    rows = [
        {"epoch": row["epoch"], "split": split, "value": row[key]}
        for row in epochs
        for split, key in (("train", train), ("dev", dev))
        if row.get(key) is not None
    ]
    data = vega.Chart.of(rows)
    x = vega.field("epoch:Q", title="epoch", axis=_epoch_axis(epochs), scale={"nice": False, "zero": False})
    y = vega.field(
        "value:Q", title=None, axis={"format": form, "tickCount": 5}, scale={"zero": title != "Loss"}
    )
    colour = vega.field(
        "split:N", sort=None, scale={"domain": ["train", "dev"], "range": list(charts.SERIES)}
    )
    tooltip = ["split:N", "epoch:Q", vega.field("value:Q", title=title, format=".3f")]
    marker = vega.Chart.of([{"epoch": kept}]).mark("rule", strokeDash=[4, 3], color=charts.MUTED)
    layers = [
        marker.encode(x="epoch:Q"),
        data.mark("line", strokeWidth=2).encode(x=x, y=y, color=colour),
        data.mark("point", filled=True, size=30).encode(x=x, y=y, color=colour, tooltip=tooltip),
    ]
    chart = vega.layer(*layers).properties(width=232, height=190, title=title)
    return charts.svg(chart, f"{title} by epoch on train and dev")


def _learning_rate(epochs: list[dict[str, Any]]) -> Markup:
    rows = [{"epoch": row["epoch"], "rate": row["learning_rate"]} for row in epochs]
    chart = (
        vega.Chart.of(rows)
        .mark("line", strokeWidth=2, color="var(--green)", point={"color": "var(--green)", "size": 30})
        .encode(
            x=vega.field(
                "epoch:Q", title="epoch", axis=_epoch_axis(epochs), scale={"nice": False, "zero": False}
            ),
            y=vega.field("rate:Q", title=None, axis={"format": ".0e", "tickCount": 4}),
            tooltip=["epoch:Q", vega.field("rate:Q", format=".2e")],
        )
        .properties(
            width=232,
            height=190,
            title={"text": "Learning rate at the epoch's end", "offset": _LEGEND_HEIGHT},
        )
    )
    return charts.svg(chart, "Learning rate by epoch")


def _epoch_axis(epochs: list[dict[str, Any]]) -> vega.Spec:
    """Whole epochs, at most some 8 of them."""
    step = -(-len(epochs) // 8)
    return {"values": [row["epoch"] for row in epochs[::step]], "format": "d", "grid": False}

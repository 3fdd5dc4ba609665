"""How the training went: loss and accuracy on train and dev, the learning rate, the kept epoch."""

from typing import Any

import altair as alt
from markupsafe import Markup

from pipeline.report import charts
from pipeline.report.record import RunRecord

_LEGEND_HEIGHT = 30  # px; the chart without a legend is to stand level with the others
CURVES = {
    "loss": ("loss", "dev_loss", "loss", ".2f"),
    "accuracy": ("accuracy", "dev_accuracy", "accuracy", ".0%"),
}


def build(record: RunRecord) -> dict[str, Any]:
    """Curves and the model's size."""
    history = record.json("Trainer", "model_run", "history.json")
    epochs, kept = history["epochs"], history["kept_epoch"]
    return {
        "history": history,
        "kept": next(row for row in epochs if row["epoch"] == kept),
        "seconds": sum(row["seconds"] for row in epochs),
        "curves": [curve(epochs, kept, *keys) for keys in CURVES.values()] + [_learning_rate(epochs)],
    }


def curve(epochs: list[dict[str, Any]], kept: int, train: str, dev: str, title: str, form: str) -> Markup:
    """One measure by epoch, on train and on the held-out dev instruments; a line marks the kept epoch."""
    rows = [
        {"epoch": row["epoch"], "split": split, "value": row[key]}
        for row in epochs
        for split, key in (("train", train), ("dev", dev))
        if row.get(key) is not None
    ]
    data = alt.Chart(charts.values(rows))
    x = alt.X("epoch:Q", title="epoch", axis=_epoch_axis(epochs), scale=alt.Scale(nice=False, zero=False))
    y = alt.Y(
        "value:Q", title=None, axis=alt.Axis(format=form, tickCount=5), scale=alt.Scale(zero=title != "loss")
    )
    colour = alt.Color(
        "split:N", sort=None, scale=alt.Scale(domain=["train", "dev"], range=list(charts.SERIES))
    )
    tooltip = ["split:N", "epoch:Q", alt.Tooltip("value:Q", title=title, format=".3f")]
    marker = alt.Chart(charts.values([{"epoch": kept}])).mark_rule(strokeDash=[4, 3], color=charts.MUTED)
    layers = [
        marker.encode(x="epoch:Q"),
        data.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        data.mark_point(filled=True, size=30).encode(x=x, y=y, color=colour, tooltip=tooltip),
    ]
    chart = alt.layer(*layers).properties(width=290, height=190, title=title)
    return charts.svg(chart, f"{title} by epoch on train and dev")


def _learning_rate(epochs: list[dict[str, Any]]) -> Markup:
    rows = [{"epoch": row["epoch"], "rate": row["learning_rate"]} for row in epochs]
    chart = (
        alt.Chart(charts.values(rows))
        .mark_line(strokeWidth=2, color="var(--green)", point={"color": "var(--green)", "size": 30})
        .encode(
            x=alt.X(
                "epoch:Q", title="epoch", axis=_epoch_axis(epochs), scale=alt.Scale(nice=False, zero=False)
            ),
            y=alt.Y("rate:Q", title=None, axis=alt.Axis(format=".0e", tickCount=4)),
            tooltip=["epoch:Q", alt.Tooltip("rate:Q", format=".2e")],
        )
        .properties(
            width=290,
            height=190,
            title=alt.TitleParams("learning rate at the epoch's end", offset=_LEGEND_HEIGHT),
        )
    )
    return charts.svg(chart, "Learning rate by epoch")


def _epoch_axis(epochs: list[dict[str, Any]]) -> alt.Axis:
    """Whole epochs, at most some 8 of them."""
    step = -(-len(epochs) // 8)
    return alt.Axis(values=[row["epoch"] for row in epochs[::step]], format="d", grid=False)

"""The outcome of the run: verdict, accuracy with its interval, and a few more metrics."""

from typing import Any

from markupsafe import Markup

from components.documents.document import Figure
from components.documents.ingest import IngestAccount
from components.documents.models import GateReport
from pipeline.history import past_runs
from pipeline.report import charts, vega
from pipeline.report.html import duration, moment, percent
from pipeline.report.outcome import or_none, outcome_of
from pipeline.report.record import RunRecord

WIDTH = 460


def build(record: RunRecord) -> dict[str, Any]:
    """Collect the outcome and its metrics. Absent artifacts raise nothing."""
    outcome = outcome_of(record)
    gate = outcome.gate
    account = or_none(record.account)
    return {
        "run": record.run.name,
        "started": moment(past_runs.started(record.run)),
        "outcome": outcome.kind,
        "words": outcome.words,
        "gate": gate,
        "interval": _interval(gate, or_none(record.setting, "Gate", "options")) if gate else Markup(""),
        "tiles": _tiles(record, gate, account),
    }


def _tiles(
    record: RunRecord, gate: GateReport | None, account: IngestAccount | None
) -> list[tuple[str, str, str]]:
    """Return label, figure and remark of each tile."""
    tiles = []
    if gate:
        overall = gate.overall
        for name, label in (
            ("macro_recall", "Macro recall"),
            ("top_3_accuracy", "Top-3 accuracy"),
        ):
            figure = overall[name]
            tiles.append((label, percent(figure.value), f"{_range(figure)}, n = {gate.notes:,}"))
        if gate.difference:
            points = 100 * gate.difference.value
            low = 100 * gate.difference.low
            champion = f"over version {gate.champion.version}, lower {gate.confidence:.0%} bound {low:+.1f}"
            tiles.append(("Improvement", f"{points:+.1f} points", champion))
    if account:
        share = f"{account.quarantined:,} of {account.notes_in:,} quarantined"
        tiles.append(("Notes used", f"{account.used:,}", share))
    seconds = sum(step.seconds for step in record.run.steps.values())
    cached = sum(step.state == "CACHED" for step in record.run.steps.values())
    tiles.append(("Duration", duration(seconds), f"{cached} of {len(record.run.steps)} steps cached"))
    return tiles


def _interval(gate: GateReport, options: dict[str, Any] | None) -> Markup:
    """Return the accuracy on a line from 0 to 1, with the threshold and the champion."""
    rows: list[dict[str, Any]] = [{"who": "candidate", **gate.overall["accuracy"].model_dump()}]
    if gate.champion_overall:
        name = f"version {gate.champion.version}"
        rows.append({"who": name, **gate.champion_overall["accuracy"].model_dump()})
    axis = {"format": ".0%", "tickCount": 5, "grid": False}
    x = vega.field("low:Q", title=None, scale={"domain": [0, 1]}, axis=axis)
    y = vega.field("who:N", title=None, sort=None, axis={"domain": False, "ticks": False})
    colours = vega.field(
        "who:N", legend=None, sort=None, scale={"range": [charts.CANDIDATE, charts.CHAMPION]}
    )
    for row in rows:
        row["tip"] = charts.tip_of(row["who"], row["value"], row["low"], row["high"], gate.notes)
    base = vega.Chart.of(rows)
    layers = [
        base.mark("rule", strokeWidth=6, strokeCap="round", opacity=0.35).encode(
            x=x, x2="high:Q", y=y, color=colours, description=charts.TIP
        ),
        base.mark("point", filled=True, size=170, opacity=1).encode(
            x="value:Q", y=y, color=colours, description=charts.TIP
        ),
    ]
    if options and options["min_accuracy"] > 0:
        least = options["min_accuracy"]
        row = {"threshold": least, "text": "threshold", "tip": f"threshold {percent(least)}"}
        threshold = vega.Chart.of([row])
        layers.append(
            threshold.mark("rule", strokeDash=[4, 3], color=charts.INK).encode(
                x="threshold:Q", description=charts.TIP
            )
        )
        layers.append(
            threshold.mark("text", align="left", dx=4, baseline="top", color=charts.MUTED).encode(
                x="threshold:Q", y={"value": 0}, text="text:N", description=charts.TIP
            )
        )
    chart = vega.layer(*layers).properties(width=WIDTH - 120, height=vega.step(30))
    accuracy = gate.overall["accuracy"]
    return charts.svg(chart, f"Accuracy {accuracy.value:.1%}, {_range(accuracy)}")


def _range(figure: Figure) -> str:
    return f"{percent(figure.low)} – {percent(figure.high)}"

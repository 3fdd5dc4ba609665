"""What each family is taken for."""

from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

import nsynth
from pipeline.report import charts
from pipeline.report.record import RunRecord

SHOWN = 8


def build(record: RunRecord) -> dict[str, Any]:
    """The matrix, precision and recall, and the commonest confusions."""
    report = record.gate_report()
    return {
        "matrix": matrix(report.confusion),
        "families": report.families,
        "pairs": pairs(report.confusion)[:SHOWN],
    }


def pairs(counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """What was taken for what, the commonest first: notes and their share of the family."""
    found = [
        {
            "right": family.replace("_", " "),
            "taken": nsynth.CLASSES[column].replace("_", " "),
            "notes": count,
            "share": count / sum(counts[row]),
        }
        for row, family in enumerate(nsynth.CLASSES)
        for column, count in enumerate(counts[row])
        if count and row != column
    ]
    return sorted(found, key=lambda pair: -pair["notes"])


def matrix(counts: Sequence[Sequence[int]]) -> Markup:
    """Rows are what a note is, columns what it was taken for; deep colour is a large share of the row."""
    names = [family.replace("_", " ") for family in nsynth.CLASSES]
    cells = [
        {"is": is_, "taken": taken, "notes": count, "share": count / sum(row), "right": is_ == taken}
        for is_, row in zip(names, counts, strict=True)
        for taken, count in zip(names, row, strict=True)
        if count
    ]
    x = alt.X(
        "taken:N",
        sort=names,
        title="taken for",
        scale=alt.Scale(domain=names),
        axis=alt.Axis(orient="top", labelAngle=-45, domain=False, ticks=False),
    )
    y = alt.Y(
        "is:N",
        sort=names,
        title="is",
        scale=alt.Scale(domain=names),
        axis=alt.Axis(domain=False, ticks=False),
    )
    base = alt.Chart(charts.values(cells)).encode(x=x, y=y)
    told = ["is:N", "taken:N", "notes:Q", alt.Tooltip("share:Q", format=".1%")]
    colour = alt.condition("datum.right", alt.value(charts.CANDIDATE), alt.value(charts.BAD))
    ink = alt.condition("datum.share > 0.55", alt.value("var(--on-colour)"), alt.value(charts.INK))
    layers = [
        base.mark_rect(cornerRadius=2).encode(
            color=colour,
            opacity=alt.Opacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.08, 1])),
            tooltip=told,
        ),
        base.mark_text(fontSize=12).encode(text="notes:Q", color=ink),
    ]
    drawn = alt.layer(*layers).properties(width=alt.Step(36), height=alt.Step(30))
    return charts.svg(drawn, "Confusion matrix: rows are what a note is, columns what it was taken for")

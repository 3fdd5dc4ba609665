"""The confusion matrix, precision and recall by family, and the most common confusions."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

import nsynth
from pipeline.report import charts, vega
from pipeline.report.html import percent
from pipeline.report.record import RunRecord

SHOWN = 8
DESCRIPTION = f"Confusion matrix: rows are the true {nsynth.LABEL.word}, columns the predicted one"


def build(record: RunRecord) -> dict[str, Any]:
    """Return the matrix, precision and recall, and the most common confusions."""
    report = record.gate_report()
    return {
        "matrix": matrix(report.confusion),
        "families": report.families,
        "pairs": pairs(report.confusion)[:SHOWN],
        "files": {
            "confusion.csv": [
                {f"true {nsynth.LABEL.word}": true, **dict(zip(nsynth.CLASSES, row, strict=True))}
                for true, row in zip(nsynth.CLASSES, report.confusion, strict=True)
            ],
            "recall.csv": [row.model_dump() for row in report.families],
        },
    }


def pairs(counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """List true and predicted family, notes and their share of the true family, most common first."""
    found = [
        {
            "true": family.replace("_", " "),
            "predicted": nsynth.CLASSES[column].replace("_", " "),
            "notes": count,
            "share": count / sum(counts[row]),
        }
        for row, family in enumerate(nsynth.CLASSES)
        for column, count in enumerate(counts[row])
        if count and row != column
    ]
    return sorted(found, key=lambda pair: -pair["notes"])


def matrix(counts: Sequence[Sequence[int]]) -> Markup:
    """Draw the confusion matrix."""
    return charts.svg(chart(counts), DESCRIPTION)


def chart(counts: Sequence[Sequence[int]]) -> vega.Chart:
    """Return the matrix: rows are true families, columns predicted ones; deeper colour is a larger share."""
    names = [family.replace("_", " ") for family in nsynth.CLASSES]
    cells = [
        {
            "true": true,
            "predicted": predicted,
            "notes": n,
            "share": n / sum(row),
            "correct": true == predicted,
            "tip": f"True: {true}; predicted: {predicted}; {percent(n / sum(row))} of {true}; n = {n:,}",
        }
        for true, row in zip(names, counts, strict=True)
        for predicted, n in zip(names, row, strict=True)
        if n
    ]
    x = vega.field(
        "predicted:N",
        sort=names,
        title=f"Predicted {nsynth.LABEL.word}",
        scale={"domain": names},
        axis={"orient": "top", "labelAngle": -45, "domain": False, "ticks": False},
    )
    y = vega.field(
        "true:N",
        sort=names,
        title=f"True {nsynth.LABEL.word}",
        scale={"domain": names},
        axis={"domain": False, "ticks": False},
    )
    base = vega.Chart.of(cells).encode(x=x, y=y)
    colour = vega.condition("datum.correct", charts.CANDIDATE, charts.BAD)
    ink = vega.condition("datum.share > 0.55", "var(--on-colour)", charts.INK)
    layers = [
        base.mark("rect", cornerRadius=2).encode(
            color=colour,
            opacity=vega.field("share:Q", legend=None, scale={"domain": [0, 1], "range": [0.08, 1]}),
            description=charts.TIP,
        ),
        base.mark("text", fontSize=12).encode(text="notes:Q", color=ink),
    ]
    return vega.layer(*layers).properties(width=vega.step(36), height=vega.step(30))

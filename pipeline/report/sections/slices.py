"""Accuracy by slice (class, category, number band) of candidate and champion, with intervals."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

import nsynth
from components.documents.models import Slice
from pipeline.report import charts, vega
from pipeline.report.html import capital
from pipeline.report.record import RunRecord

TITLES = {
    **{category.word: category.word for category in (nsynth.LABEL, *nsynth.CATEGORIES)},
    **{number.word: number.label for number in nsynth.NUMBERS},
}


def build(record: RunRecord) -> dict[str, Any]:
    """Return a chart for each kind of slice, and what fell or is too small."""
    report = record.gate_report()
    parts = report.slices
    version = report.champion.version if report.champion_overall else 0
    kinds = {part.name.partition("=")[0] for part in parts}
    return {
        "charts": [chart(kind, parts, version) for kind in TITLES if kind in kinds],
        "champion": version,
        "confidence": report.confidence,
        "fallen": [part for part in parts if part.fallen],
        "small": [part for part in parts if not part.judged],
        "parts": parts,
        "files": {"slices.csv": [_flat(part) for part in parts]},
    }


def _flat(part: Slice) -> dict[str, Any]:
    """One line of the CSV file."""
    line: dict[str, Any] = {"slice": part.name, "notes": part.notes, "instruments": part.instruments}
    for name, figure in (
        ("accuracy", part.accuracy),
        ("champion", part.champion),
        ("difference", part.difference),
    ):
        if figure:
            line |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return line


def rows(kind: str, parts: Sequence[Slice], version: int) -> list[dict[str, Any]]:
    """One row for each slice of the kind and model."""
    found = []
    for part in parts:
        if part.name.partition("=")[0] != kind:
            continue
        name = f"{part.name.partition('=')[2].replace('_', ' ')}, n = {part.notes:,}"
        shared = {
            "slice": name,
            "notes": part.notes,
            "instruments": part.instruments,
            "judged": part.judged,
        }
        measured = {"candidate": part.accuracy}
        if part.champion:
            measured[f"version {version}"] = part.champion
        for model, figure in measured.items():
            words = charts.tip_of(f"{part.name}; {model}", figure.value, figure.low, figure.high, part.notes)
            found.append({**shared, "model": model, **figure.model_dump(), "tip": words})
    return found


def chart(kind: str, parts: Sequence[Slice], version: int) -> Markup:
    """Return bars with intervals; slices too small to evaluate are pale."""
    data = rows(kind, parts, version)
    models = list(dict.fromkeys(row["model"] for row in data))
    order = list(dict.fromkeys(row["slice"] for row in data))
    base = vega.Chart.of(data)
    y = vega.field("slice:N", sort=order, title=None, axis={"domain": False, "ticks": False})
    offset = vega.field("model:N", sort=models)
    axis = {"format": ".0%", "tickCount": 5}
    x = vega.field("value:Q", scale={"domain": [0, 1]}, title=None, axis=axis)
    legend: vega.Spec | None = {} if len(models) > 1 else None
    colour = vega.field(
        "model:N",
        sort=models,
        legend=legend,
        scale={"domain": models, "range": [charts.CANDIDATE, charts.CHAMPION]},
    )
    pale = vega.condition("datum.judged", 0.9, 0.3)
    layers = [
        base.mark("bar").encode(x=x, y=y, yOffset=offset, color=colour, opacity=pale, description=charts.TIP),
        base.mark("rule", color=charts.INK, strokeWidth=1.5).encode(
            x="low:Q",
            x2="high:Q",
            y=y,
            yOffset=offset,
            description=charts.TIP,
            opacity=vega.condition("datum.judged", 0.8, 0.35),
        ),
    ]
    height = vega.step(20 if len(models) == 1 else 13, **{"for": "offset" if len(models) > 1 else "position"})
    drawn = vega.layer(*layers).properties(width=320, height=height, title=capital(TITLES[kind]))
    return charts.svg(drawn, f"Accuracy by {TITLES[kind]}")

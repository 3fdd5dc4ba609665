"""The gate's verdict: requirements, measured values, advice, and calibration."""

from typing import Any

from markupsafe import Markup

from components.documents.document import Figure
from components.documents.models import Calibration, GateReport
from pipeline.report import charts, vega
from pipeline.report.html import capital, percent
from pipeline.report.record import RunRecord

_METRICS = {"top_3_accuracy": "Top-3 accuracy"}


def build(record: RunRecord) -> dict[str, Any]:
    """Return checks, figures beside the champion's, calibration."""
    report = record.gate_report()
    others = [record.gate_report(step.name) for step in record.steps("Gate")[1:]]
    return {
        "report": report,
        "others": others,
        "figures": figures(report),
        "calibration": calibration(report.calibration),
        "files": {"gate.json": report.model_dump(mode="json")},
    }


def figures(report: GateReport) -> list[tuple[str, Figure, Figure | None]]:
    """Name, the candidate's figure and the champion's."""
    champion = report.champion_overall or {}
    return [
        (_METRICS.get(name, capital(name.replace("_", " "))), value, champion.get(name))
        for name, value in report.overall.items()
    ]


def calibration(found: Calibration) -> Markup:
    """Draw accuracy over confidence (reliability diagram); on the dashed line both are equal."""
    base = vega.Chart.of([bin.model_dump() for bin in found.bins])
    scale = {"domain": [0, 1]}
    x = vega.field("confidence:Q", scale=scale, title="Confidence", axis={"format": ".0%", "tickCount": 5})
    y = vega.field("accuracy:Q", scale=scale, title="Accuracy", axis={"format": ".0%", "tickCount": 5})
    tooltip = [
        "notes:Q",
        vega.field("confidence:Q", title="confidence", format=".1%"),
        vega.field("accuracy:Q", title="accuracy", format=".1%"),
    ]
    ideal = vega.Chart.of([{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    layers = [
        ideal.mark("line", strokeDash=[4, 3], color=charts.MUTED, strokeWidth=1).encode(x="x:Q", y="y:Q"),
        base.mark("line", color=charts.CANDIDATE, strokeWidth=1, opacity=0.5).encode(x=x, y=y),
        base.mark("circle", color=charts.CANDIDATE, opacity=0.85).encode(
            x=x, y=y, size=vega.field("notes:Q", legend=None, scale={"range": [30, 400]}), tooltip=tooltip
        ),
    ]
    chart = vega.layer(*layers).properties(width=260, height=260)
    return charts.svg(chart, f"Calibration: expected calibration error {percent(found.error)}")

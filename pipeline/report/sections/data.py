"""The notes: counts, class balance, quarantine, audio statistics and drift."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

import nsynth
from components import accepted
from components.documents.data import DataGateVerdict
from components.documents.ingest import TABLES, IngestAccount
from pipeline.report import charts, vega
from pipeline.report.record import Absent, RunRecord
from pipeline.step_names import span_of

STATISTICS_FILE = "FeatureStats.pb"
COLOURS = ("blue", "orange", "green")  # of what a histogram shows, in the order of charts.SERIES


def build(record: RunRecord) -> dict[str, Any]:
    """Return the account of ingest, the statistics and the data gate's verdict."""
    account = record.account()
    histograms, shown, missing = _histograms(record)
    verdict = _verdict(record)
    return {
        "account": account,
        "spans": spans(record),
        "splits": {name: table for name, table in account.splits.items() if table.notes},
        "balances": {
            category.word: balance(account, key, category.names)
            for key, category in TABLES.items()
            if any(account.table(key).values())
        },
        "histograms": histograms,
        "histograms_of": list(zip(shown, COLOURS, strict=False)),
        "histograms_missing": missing,
        "verdict": verdict,
        "drift": [c for c in verdict.checks if c.name.startswith("drift")] if verdict else [],
    }


def spans(record: RunRecord) -> list[int]:
    """Return the spans that were trained on, newest first, if there are several; the account is the newest's."""
    found = [span for step in record.steps("ExampleGen") if (span := span_of(step.name)) is not None]
    return found if len(found) > 1 else []


def balance(account: IngestAccount, what: str, names: tuple[str, ...]) -> Markup:
    """Draw the notes of each family or source as bars, stacked by split."""
    rows = [
        {"name": name, "split": split, "place": place, "notes": table.table(what)[name]}
        for place, (split, table) in enumerate(account.splits.items())
        for name in names
        if table.table(what).get(name)
    ]
    chart = (
        vega.Chart.of(rows)
        .mark("bar", height={"band": 0.72})
        .encode(
            x=vega.field("notes:Q", title="notes", axis={"tickCount": 5}),
            y=vega.field("name:N", title=None, sort=list(names), axis={"domain": False, "ticks": False}),
            color=vega.field(
                "split:N", scale={"domain": list(nsynth.SPLITS), "range": list(charts.SERIES)}, title=None
            ),
            order="place:Q",
            tooltip=["name:N", "split:N", "notes:Q"],
        )
        .properties(width=370, height=vega.step(22))
    )
    return charts.svg(chart, f"Notes by {what} and split")


def _verdict(record: RunRecord) -> DataGateVerdict | None:
    try:
        return record.data_verdict()
    except Absent:
        return None


def _histograms(record: RunRecord) -> tuple[list[Markup], list[str], str]:
    """Return a histogram for each scalar and what it shows, or why there is none."""
    try:
        folder = record.locate(record.artifact("StatisticsGen", "statistics"))
    except Absent as absent:
        return [], [], str(absent)
    files = {
        path.parent.name.removeprefix("Split-"): path for path in folder.glob(f"Split-*/{STATISTICS_FILE}")
    }
    shown: dict[str, dict[str, list[dict[str, float]]]] = {
        split: densities(files[split]) for split in ("train", "valid") if split in files
    }
    if not shown:
        return [], [], f"{folder} contains no statistics of train or valid."
    before = accepted_before(record)
    if before:
        shown[f"span {before.span}, last accepted"] = densities(before.path / STATISTICS_FILE)
    histograms = [
        _histogram(scalar, label, shown)
        for scalar, label in nsynth.HISTOGRAMS.items()
        if any(scalar in scalars for scalars in shown.values())
    ]
    return histograms, list(shown), ""


def accepted_before(record: RunRecord) -> accepted.Accepted | None:
    """Return the data that the gate measured drift against, if it is still kept."""
    verdict, step = _verdict(record), record.step("DataGate")
    if not verdict or verdict.compared_with_span is None or not step:
        return None
    folder = Path(str(step.properties.get("accepted_folder", "")))
    own = verdict.span
    found = [entry for entry in accepted.entries(folder) if entry.span == verdict.compared_with_span]
    if own == verdict.compared_with_span:  # the same span, delivered again with other notes
        found = found[:-1] or found
    return found[-1] if found else None


def densities(file: Path) -> dict[str, list[dict[str, float]]]:
    """Return scalar → bars of its histogram: `low`, `high` (their unit) and `share` of the notes."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    found: dict[str, list[dict[str, float]]] = {}
    for feature in statistics.datasets[0].features:
        name = feature.path.step[-1]
        standard = [h for h in feature.num_stats.histograms if h.type == h.STANDARD]
        if name not in nsynth.HISTOGRAMS or not standard:
            continue
        total = sum(bucket.sample_count for bucket in standard[0].buckets) or 1
        found[name] = [
            {"low": b.low_value, "high": b.high_value, "share": b.sample_count / total}
            for b in standard[0].buckets
            if b.high_value > b.low_value
        ]
    return found


def _histogram(scalar: str, label: str, shown: dict[str, dict[str, list[dict[str, float]]]]) -> Markup:
    """Train as bars; the others as lines, so that all can be seen; heights are densities, as widths differ."""
    rows: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for split, scalars in shown.items():
        for bar in scalars.get(scalar, []):
            row = {"split": split, **bar, "density": bar["share"] / (bar["high"] - bar["low"])}
            (rows if split == "train" else steps).append(row)
        if split != "train" and steps and scalars.get(scalar):
            steps.append({**steps[-1], "low": steps[-1]["high"]})
    colour = vega.field("split:N", legend=None, scale={"domain": list(shown), "range": list(charts.SERIES)})
    x = vega.field(
        "low:Q", title=label, scale={"zero": False, "nice": True}, axis={"tickCount": 5, "grid": False}
    )
    y = vega.field("density:Q", title=None, axis=None)
    tooltip = [vega.field(key, format=",.4~g") for key in ("low:Q", "high:Q")] + [
        vega.field("share:Q", format=".1%")
    ]
    bars = (
        vega.Chart.of(rows)
        .mark("bar", opacity=0.45, binSpacing=1)
        .encode(x=x, x2="high:Q", y=y, y2={"datum": 0}, color=colour, tooltip=tooltip)
    )
    lines = (
        vega.Chart.of(steps)
        .mark("line", interpolate="step-after", strokeWidth=2)
        .encode(x=x, y=y, color=colour)
    )
    return charts.svg(vega.layer(bars, lines).properties(width=236, height=110), f"Histogram of {label}")

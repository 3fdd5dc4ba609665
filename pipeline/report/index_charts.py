"""Charts of the index: accuracy, drift, notes and durations of all runs and rounds over time."""

import datetime
from collections.abc import Sequence

from markupsafe import Markup

from pipeline.report.html import duration, moment, percent
from pipeline.report.overview import Overview, Row
from pipeline.report.time_charts import RIGHT, WIDTH, Axes, bars, chart, mark

_GLYPHS = {
    "pushed": "✓",
    "kept": "=",
    "not pushed": "=",
    "no new data": "·",
    "refused": "!",
    "interrupted": "‖",
    "running": "…",
}
"""Outcome → its sign in the calendar; all others are failures."""
_KINDS = {
    "pushed": "pushed",
    "kept": "kept",
    "not pushed": "kept",
    "no new data": "nothing",
    "refused": "refused",
}
_MANY = 200  # candidates, from which on their dots are small and have no intervals

Chart = tuple[str, str, Markup]
"""Title, explanation and drawing."""


def glyph(outcome: str) -> str:
    """Return the sign of an outcome."""
    return _GLYPHS.get(outcome, "✗")


def kind(outcome: str) -> str:
    """Return the CSS class of an outcome."""
    return _KINDS.get(outcome, "waiting" if outcome in _GLYPHS else "failed")


def tip(row: Row) -> str:
    """Return what a row is and how it ended; parts are separated by semicolons."""
    accuracy = f"accuracy {percent(row.accuracy.value)}" if row.accuracy else ""
    return _joined(_name(row), row.outcome, accuracy, row.words.replace("; ", ", "))


def charts(found: Overview) -> list[Chart]:
    """Draw the charts that there are values for."""
    drawn = (_accuracy(found), _drift(found.rows), _notes(found.rows), _durations(found.rows))
    return [one for one in drawn if one]


def champion_line(found: Overview) -> list[tuple[datetime.datetime, float]]:
    """Return the champion's accuracy over time: when it was pushed, and as measured beside each candidate."""
    points = []
    for row in found.rows:
        if row.champion_accuracy is not None:
            points.append((row.started, row.champion_accuracy))
        if row.outcome == "pushed" and row.accuracy:
            points.append((row.started + datetime.timedelta(seconds=row.seconds), row.accuracy.value))
    serving = found.champion
    if serving and serving.restored_from and serving.pushed and serving.accuracy:
        points.append((serving.pushed, serving.accuracy.value))
    return sorted(points)


def _accuracy(found: Overview) -> Chart | None:
    measured = [(row, row.accuracy) for row in found.rows if row.accuracy]
    line = champion_line(found)
    if not measured:
        return None
    times = [row.started for row, _ in measured] + [time for time, _ in line]
    high = max([figure.high for _, figure in measured] + [value for _, value in line])
    axes = Axes.around(times, max(high, 0.1), 260, cap=1.0)
    radius = 4 if len(measured) < _MANY else 2.5
    intervals, dots = [], []
    for row, figure in measured:
        x, colour, interval = axes.x(row.started), kind(row.outcome), ""
        if figure.high > figure.low:
            interval = f"95% interval {percent(figure.low)} – {percent(figure.high)}"
            if len(measured) < _MANY:
                low, high = axes.y(figure.low), axes.y(figure.high)
                intervals.append(mark("line", f"range {colour}", x1=x, x2=x, y1=low, y2=high))
        n = f"n = {row.notes:,}" if row.notes else ""
        words = _joined(_name(row), row.outcome, f"accuracy {percent(figure.value)}", interval, n)
        dots.append(mark("circle", colour, words, cx=x, cy=axes.y(figure.value), r=radius))
    parts = [*axes.drawn(lambda value: percent(value, 0)), *intervals, *dots, _steps(axes, line)]
    shown = ", with 95% intervals" if intervals else ""
    words = f"Line: the champion. Dots: candidates{shown}, coloured by outcome."
    description = "Accuracy of the champion and of every candidate over time"
    return "Accuracy over time", words, chart(parts, axes.height, description)


def _steps(axes: Axes, line: Sequence[tuple[datetime.datetime, float]]) -> str:
    """Draw the champion's line: level until the next point, the last one to the end."""
    if not line:
        return ""
    places = [(axes.x(time), axes.y(value)) for time, value in line]
    parts = [f"M{places[0][0]},{places[0][1]}", *(f"H{x}V{y}" for x, y in places[1:]), f"H{WIDTH - RIGHT}"]
    return mark("path", "champion", d="".join(parts))


def _drift(rows: Sequence[Row]) -> Chart | None:
    found = [
        (row, row.drift, row.drift.distance) for row in rows if row.drift and row.drift.distance is not None
    ]
    if not found:
        return None
    high = max(max(distance, drift.predictions or 0) for _, drift, distance in found)
    axes = Axes.around([row.started for row, _, _ in found], max(high, 0.1), 180)
    parts = axes.drawn(lambda value: f"{value:.2f}")
    for row, drift, distance in found:
        x, span = axes.x(row.started), f"span {drift.span}, {moment(row.started)}"
        words = _joined(span, f"{drift.feature}: {distance:.3f} from span {drift.from_span}")
        parts.append(mark("circle", "data", words, cx=x, cy=axes.y(distance), r=4))
        if drift.predictions is not None:
            words = _joined(span, f"champion's predictions changed by {drift.predictions:.3f}")
            place = {"x": round(x - 3.5, 1), "y": round(axes.y(drift.predictions) - 3.5, 1)}
            parts.append(mark("rect", "moved", words, **place, width=7, height=7))
    words = (
        "Dots: largest distance of a feature from the span it was compared with. Squares: shift of the champion's "
        "predictions. 0 means the same distribution, 1 means no overlap."
    )
    return "Drift by span", words, chart(parts, axes.height, "Drift of each span over time")


def _notes(rows: Sequence[Row]) -> Chart | None:
    found = [(row, row.notes_in, row.quarantined or 0) for row in rows if row.notes_in]
    if not found:
        return None
    axes = Axes.around([row.started for row, _, _ in found], max(notes for _, notes, _ in found), 160)
    drawn = []
    for row, notes, quarantined in found:
        share = f"{quarantined:,} quarantined ({percent(quarantined / notes, 2)})"
        words = _joined(_name(row), f"{notes:,} notes read", share)
        drawn.append((row.started, (("data", notes - quarantined), ("refused", quarantined)), words))
    parts = [*axes.drawn(lambda value: f"{value:,.0f}"), *bars(axes, drawn, len(found))]
    words = "Notes read by each run or round; of several spans, those of the newest. Orange: quarantined."
    return "Notes read and quarantined", words, chart(parts, axes.height, "Notes read and quarantined")


def _durations(rows: Sequence[Row]) -> Chart | None:
    found = [row for row in rows if row.seconds > 0]
    if not found:
        return None
    axes = Axes.around([row.started for row in found], max(row.seconds for row in found) / 60, 160)
    drawn = (
        (
            row.started,
            ((kind(row.outcome), row.seconds / 60),),
            _joined(_name(row), row.outcome, duration(row.seconds)),
        )
        for row in found
    )
    parts = [*axes.drawn(lambda value: f"{value:.3g} min"), *bars(axes, drawn, len(found))]
    return "Duration", "Wall time of each run or round.", chart(parts, axes.height, "Duration of each run")


def _name(row: Row) -> str:
    name = f"round {row.round}" if row.round else "run"
    return f"{name}, {moment(row.started)}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

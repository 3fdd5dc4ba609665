"""The page about all runs and rounds of a workspace: one file, no network, made without TensorFlow."""

import itertools
from pathlib import Path

from rich.filesize import decimal

import atomic
from pipeline.config import Config
from pipeline.report import INDEX, index_charts
from pipeline.report.html import duration, environment, frame
from pipeline.report.overview import Overview, Row

SHOWN = 30  # rows of the table that are open


def write_index(config: Config, found: Overview) -> Path:
    """Write `index.html` in the folder of reports and return its path."""
    path = config.workspace / "reports" / INDEX
    atomic.write(path, render(found))
    return path


def render(found: Overview) -> str:
    """Render the page as HTML."""
    rows = found.rows
    outcomes: dict[str, int] = {}
    for row in rows:
        outcomes[row.outcome] = outcomes.get(row.outcome, 0) + 1
    return (
        environment()
        .get_template("index.html")
        .render(
            found=found,
            newest=rows[: -SHOWN - 1 : -1],
            older=rows[-SHOWN - 1 :: -1] if len(rows) > SHOWN else (),
            outcomes=outcomes,
            months=_calendar(rows),
            charts=index_charts.charts(found),
            glyph=index_charts.glyph,
            kind=index_charts.kind,
            age=_age(found),
            size=decimal,
            **frame(("style.css", "index.css"), ("page.js",)),
        )
    )


def _age(found: Overview) -> str:
    if not found.champion or not found.champion.pushed:
        return ""
    seconds = (found.written - found.champion.pushed).total_seconds()
    return duration(seconds) if seconds < 86_400 else f"{seconds / 86_400:.1f} days"


def _calendar(rows: tuple[Row, ...]) -> list[tuple[str, list[tuple[Row, str]]]]:
    """Return month, the newest first, and its rows, each with its tip."""
    by_month = itertools.groupby(rows, key=lambda row: f"{row.started.astimezone():%B %Y}")
    return [(month, [(row, index_charts.tip(row)) for row in those]) for month, those in by_month][::-1]

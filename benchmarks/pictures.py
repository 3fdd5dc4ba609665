"""Pictures for the docs: charts as the run's page draws them, as SVG files that follow light and dark mode."""

import re
from importlib import resources
from pathlib import Path

import atomic
from pipeline.report import charts, vega


def save(chart: vega.Chart, description: str, file: Path) -> None:
    """Draw a chart into an SVG file with the colours of the page."""
    css = resources.files("pipeline.report").joinpath("templates/style.css").read_text()
    # Of light and dark mode, printed too; in a file of its own `:root` is the drawing.
    colours = css[: css.index("\n* {")].replace("screen and ", "")
    style = f"<style>{colours} svg {{ background: var(--surface) }}</style>"
    [drawn] = re.findall("<svg .*</svg>", charts.svg(chart, description), re.DOTALL)
    head, _, rest = drawn.partition(">")
    atomic.write(file, f"{head}>{style}{rest}\n")

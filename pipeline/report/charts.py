"""Charts as static SVG: Altair says what to draw, vl-convert draws it here, without browser or network.

Colours are names of the page's CSS variables, so that a chart follows light, dark and print by itself; no script
is needed to see it. What a mark stands for shows as its tooltip.
"""

import html
import io
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt
from markupsafe import Markup

from pipeline.report.html import percent

INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
CANDIDATE, CHAMPION, GOOD, BAD = "var(--blue)", "var(--orange)", "var(--green)", "var(--red)"
SERIES = ("var(--blue)", "var(--orange)", "var(--green)", "var(--purple)")
"""Okabe and Ito's colours for the colour-blind; each also differs in lightness."""

_AXIS = {
    "domainColor": GRID,
    "gridColor": GRID,
    "tickColor": GRID,
    "labelColor": MUTED,
    "titleColor": MUTED,
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelLimit": 220,
    "titlePadding": 8,
    "labelPadding": 7,
    "labelFlush": False,
}
_LEGEND = {"labelColor": INK, "labelFontSize": 12, "titleColor": MUTED, "orient": "top", "title": None}
_THEME: dict[str, Any] = {
    "background": "transparent",
    "font": "Arial, Helvetica, Liberation Sans, sans-serif",
    "padding": {
        "left": 18,
        "top": 4,
        "right": 8,
        "bottom": 4,
    },  # labels of a wider font than the one measured
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": _LEGEND,
    "title": {"color": INK, "fontSize": 13, "fontWeight": 600, "anchor": "start", "offset": 8},
    "text": {"color": INK, "fontSize": 12},
}
_MARK = re.compile(r'<(path|line) ([^<>]*?aria-label="([^"]*)"[^<>]*)/>')
_numbers = itertools.count()


def values(rows: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Return rows for a chart."""
    return alt.Data(values=[dict(row) for row in rows])


TIP = alt.Description("tip:N")
"""What a mark shows under the pointer, where rows have a `tip`: parts separated by semicolons."""


def tip_of(name: str, value: float, low: float, high: float, notes: int | None) -> str:
    """Describe a share with its interval: `bass; 9.1%; 0.0% – 22.7%; n = 44`."""
    n = f"; n = {notes:,}" if notes else ""
    return f"{name}; {percent(value)}; {percent(low)} – {percent(high)}{n}"


def svg(chart: Any, description: str) -> Markup:
    """Draw a chart in a frame that scrolls sideways where it is too wide: its type keeps its size on a phone.

    Args:
      chart: of Altair.
      description: what it shows, for who cannot see it.
    """
    buffer = io.StringIO()
    chart.configure(**_THEME).save(buffer, format="svg")
    drawn = buffer.getvalue()
    drawn = _MARK.sub(r"<\1 \2><title>\3</title></\1>", drawn)
    drawn = _own_ids(drawn, f"chart{next(_numbers)}")
    label = html.escape(description, quote=True)
    drawn = drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Markup(f'<div class="wide">{drawn}</div>')


def _own_ids(drawn: str, prefix: str) -> str:
    """Make ids unique on the page: each drawing counts its clip paths and gradients from 0."""
    for name in set(re.findall(r'\bid="([^"]+)"', drawn)):
        drawn = drawn.replace(f'id="{name}"', f'id="{prefix}-{name}"')
        drawn = drawn.replace(f"url(#{name})", f"url(#{prefix}-{name})")
    return drawn

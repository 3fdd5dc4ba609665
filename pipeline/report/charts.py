"""Charts as static SVG: `vega` says what to draw, vl-convert draws it here, without browser or network.

Colours are names of the page's CSS variables, so that a chart follows light, dark and print by itself; no script
is needed to see it. What a mark stands for shows as its tooltip.
"""

import contextlib
import contextvars
import functools
import hashlib
import html
import importlib.metadata
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from pipeline.report import vega
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
_DRAWN = re.compile(r'<div class="wide" data-chart="(\w+)">(<svg .*?</svg>)</div>', re.DOTALL)
_VEGALITE = "6.4"  # the grammar's version, one of those that vl-convert has
_earlier: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar(
    "charts of an earlier page", default=MappingProxyType({})
)


TIP = vega.field("tip:N")
"""What a mark shows under the pointer, where rows have a `tip`: parts separated by semicolons."""


def tip_of(name: str, value: float, low: float, high: float, notes: int | None) -> str:
    """Describe a share with its interval: `bass; 9.1%; 0.0% – 22.7%; n = 44`."""
    n = f"; n = {notes:,}" if notes else ""
    return f"{name}; {percent(value)}; {percent(low)} – {percent(high)}{n}"


def svg(chart: vega.Chart, description: str) -> Markup:
    """Draw a chart in a frame that scrolls sideways where it is too wide: its type keeps its size on a phone.

    Args:
      chart: what to draw.
      description: what it shows, for who cannot see it.
    """
    spec = chart.spec | {"config": _THEME}
    key = hashlib.sha256(b"\0".join((_drawer(), json.dumps([spec, description]).encode()))).hexdigest()[:16]
    drawn = _earlier.get().get(key) or _drawn(spec, key, description)
    return Markup(f'<div class="wide" data-chart="{key}">{drawn}</div>')


@contextlib.contextmanager
def taken_from(page: Path) -> Iterator[None]:
    """Take charts from an earlier version of the page, if there is one, instead of drawing the same ones again."""
    try:
        earlier = dict(_DRAWN.findall(page.read_text()))
    except (OSError, UnicodeDecodeError):
        earlier = {}
    token = _earlier.set(earlier)
    try:
        yield
    finally:
        _earlier.reset(token)


@functools.cache
def _drawer() -> bytes:
    """Name what draws: this file, and the version of vl-convert."""
    return Path(__file__).read_bytes() + importlib.metadata.version("vl-convert-python").encode()


def _drawn(spec: vega.Spec, key: str, description: str) -> str:
    import vl_convert  # whose start takes half a second

    drawn = vl_convert.vegalite_to_svg(spec, vl_version=_VEGALITE)
    drawn = _MARK.sub(r"<\1 \2><title>\3</title></\1>", drawn)
    drawn = _own_ids(drawn, f"chart-{key}")
    label = html.escape(description, quote=True)
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _own_ids(drawn: str, prefix: str) -> str:
    """Make ids unique on the page: each drawing counts its clip paths and gradients from 0."""
    for name in set(re.findall(r'\bid="([^"]+)"', drawn)):
        drawn = drawn.replace(f'id="{name}"', f'id="{prefix}-{name}"')
        drawn = drawn.replace(f"url(#{name})", f"url(#{prefix}-{name})")
    return drawn

"""What to draw, in the grammar of Vega-Lite, as plain dictionaries: `Chart(rows).mark_bar().encode(x="notes:Q")`.

The calls are Altair's, of which the report needs few. Altair itself checks every part against Vega-Lite's schema, which
takes longer than to draw it; a test does that instead.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Spec = dict[str, Any]

_TYPES = {"Q": "quantitative", "N": "nominal", "O": "ordinal"}
_UNTYPED = ("x2", "y2")  # they have the type of x and y


class Chart:
    """One mark, or several layers of them."""

    def __init__(self, spec: Spec):
        """Take a specification; `of` starts with rows."""
        self.spec = spec

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Chart":
        """Start a chart of these rows."""
        return cls({"data": {"values": [dict(row) for row in rows]}})

    def mark(self, kind: str, **settings: Any) -> "Chart":
        """Draw rows as a mark: bar, line, point, circle, rect, rule or text."""
        return self._with(mark={"type": kind, **settings})

    def encode(self, **channels: Any) -> "Chart":
        """Bind channels to fields, as from `field`, to values, or to short forms such as `notes:Q`."""
        return self._with(
            encoding=self.spec.get("encoding", {}) | {k: _channel(k, v) for k, v in channels.items()}
        )

    def properties(self, **properties: Any) -> "Chart":
        """Set width, height and title."""
        return self._with(**properties)

    def _with(self, **parts: Any) -> "Chart":
        return Chart(self.spec | parts)


def layer(*charts: Chart) -> Chart:
    """Draw several charts over each other."""
    return Chart({"layer": [chart.spec for chart in charts]})


def field(short: str, **settings: Any) -> Spec:
    """Return a field: its name, a colon and Q for quantitative, N for nominal or O for ordinal."""
    name, _, kind = short.rpartition(":")
    return {"field": name, "type": _TYPES[kind], **settings}


def condition(test: str, met: Any, otherwise: Any) -> Spec:
    """Return a value that depends on the row, as in `datum.notes > 5`."""
    return {"condition": {"test": test, "value": met}, "value": otherwise}


def step(pixels: float, **settings: Any) -> Spec:
    """Return a width or height by that of one band."""
    return {"step": pixels, **settings}


def _channel(name: str, bound: Any) -> Any:
    if isinstance(bound, list):
        return [_channel("", one) for one in bound]
    bound = field(bound) if isinstance(bound, str) else dict(bound)
    if name in _UNTYPED:
        bound.pop("type", None)
    return bound

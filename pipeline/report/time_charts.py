"""Charts over time for the index, as SVG written directly: a thousand rounds take milliseconds, not seconds.

Colours are the page's CSS classes; each mark has its values as <title>.
"""

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 980, 58, 58, 12, 28  # px
_STEPS_S = [60 * m for m in (5, 15, 30, 60, 180, 360, 720)] + [
    86_400 * d for d in (1, 2, 7, 14, 30, 91, 182, 365)
]
_TICKS = 8  # at most
_NICE = (1.2, 2, 4, 8, 12)  # their quarters are round


@dataclass(frozen=True)
class Axes:
    """Places of times and values in one chart; `high` is the value at the top, 0 is at the bottom."""

    start: datetime.datetime
    end: datetime.datetime
    high: float
    height: int

    @classmethod
    def around(
        cls, times: Sequence[datetime.datetime], high: float, height: int, cap: float = math.inf
    ) -> "Axes":
        """Make axes with room for all times and for values up to `high`, at most up to `cap`."""
        start, end = min(times), max(times)
        margin = (end - start) * 0.03 or datetime.timedelta(minutes=10)
        return cls(start - margin, end + margin, min(nice(high), cap), height)

    def x(self, time: datetime.datetime) -> float:
        """Return the pixels from the left."""
        share = (time - self.start) / (self.end - self.start)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the pixels from the top."""
        inner = self.height - TOP - BOTTOM
        return round(TOP + (1 - min(value, self.high) / self.high) * inner, 1)

    def drawn(self, label: Callable[[float], str]) -> list[str]:
        """Draw grid lines and their labels: values to the left, times below."""
        parts = []
        for tick in range(5):
            value = self.high * tick / 4
            y, words = self.y(value), escape(label(value))
            parts.append(mark("line", "gridline", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
            parts.append(f'<text class="right" x="{LEFT - 8}" y="{y + 4}">{words}</text>')
            parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4}">{words}</text>')
        for time, words in time_ticks(self.start, self.end):
            parts.append(f'<text class="middle" x="{self.x(time)}" y="{self.height - 8}">{words}</text>')
        return parts


def nice(value: float) -> float:
    """Round up to a number whose quarters are easy to read."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _NICE if step * power >= value * (1 - 1e-9))


def time_ticks(start: datetime.datetime, end: datetime.datetime) -> list[tuple[datetime.datetime, str]]:
    """Choose at most eight round moments between two times, in the zone of this machine, with their labels."""
    seconds = (end - start).total_seconds()
    step = next((s for s in _STEPS_S if seconds / s <= _TICKS), _STEPS_S[-1])
    form = "%H:%M" if step < 86_400 else "%-d %b" if seconds < 300 * 86_400 else "%b %Y"
    local = start.astimezone()
    tick = local.replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[tuple[datetime.datetime, str]] = []
    while tick <= end:
        if tick >= start:
            new_day = step < 86_400 and (not found or found[-1][0].date() != tick.date())
            found.append((tick, f"{tick:%-d %b, %H:%M}" if new_day else f"{tick:{form}}"))
        tick += datetime.timedelta(seconds=step)
    return found


def chart(parts: Iterable[str], height: int, description: str) -> Markup:
    """Put the parts of a chart together."""
    size: dict[str, float | str] = {"width": WIDTH, "height": height, "viewBox": f"0 0 {WIDTH} {height}"}
    head = _open("svg", "time", {"role": "img", "aria-label": description, **size})
    return Markup(f"{head}{''.join(parts)}</svg>")


def mark(name: str, kind: str, tip: str = "", **attributes: float | str) -> str:
    """Draw an SVG element of a CSS class; `tip` are its values."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f"{_open(name, kind, attributes)}{title}</{name}>"


def _open(name: str, kind: str, attributes: Mapping[str, float | str]) -> str:
    pairs = (
        f'{key}="{escape(str(value), quote=True)}"' for key, value in {"class": kind, **attributes}.items()
    )
    return f"<{name} {' '.join(pairs)}>"


def bars(
    axes: Axes, rows: Iterable[tuple[datetime.datetime, Sequence[tuple[str, float]], str]], count: int
) -> list[str]:
    """Draw a stacked bar for each time.

    Args:
      axes: of the chart.
      rows: time, parts (CSS class and value, the lowest first) and the tip.
      count: of rows, which decides the width of a bar.
    """
    width = round(max(1.0, min(14.0, 0.7 * (WIDTH - LEFT - RIGHT) / max(count, 1))), 1)
    drawn = []
    for time, parts, tip in rows:
        below = 0.0
        for kind, value in parts:
            if value <= 0:
                continue
            top, bottom = axes.y(below + value), axes.y(below)
            place = {"x": round(axes.x(time) - width / 2, 1), "y": top, "width": width}
            drawn.append(mark("rect", kind, tip, **place, height=max(round(bottom - top, 1), 1)))
            below += value
    return drawn

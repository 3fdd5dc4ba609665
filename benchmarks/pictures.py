"""Pictures for the docs in one style: SVG that follows the reader's light or dark mode."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED = "#0072b2", "#d98300", "#2a7f3f", "#c0392b"
PALE_BLUE, PURPLE, GREY = "#6c9bd2", "#7d3c98", "#c4c4c4"
FONT_SIZE = 10  # pt; a picture of 8 to 11 inches is shown at about its own size
_DARK = {
    "#ffffff": "#11151b",  # paper, and ink on a dark mark
    "#000000": "#e6ebf1",
    "#b0b0b0": "#4a5563",  # grid lines
    "#cccccc": "#4a5563",  # frames of legends
    BLUE: "#56b4e9",
    ORANGE: "#f0ad30",
    GREEN: "#4fc07f",
    RED: "#ff8458",
    PALE_BLUE: "#7aa9dc",
    PURPLE: "#c99ae0",
    GREY: "#66717f",
    "#1f77b4": "#56b4e9",  # Matplotlib's own first two
    "#ff7f0e": "#f0ad30",
    "#e09f1f": "#f0ad30",
}
"""Colour → what takes its place in dark mode."""


def save(canvas: "Figure", file: Path) -> None:
    """Write a figure as SVG with colours for light and dark mode."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": file.name}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(for_both_modes(buffer.getvalue()))


def for_both_modes(svg: str) -> str:
    """Replace the colours of Matplotlib's SVG by variables that a dark mode changes."""
    light, dark = [], []
    for number, (colour, instead) in enumerate(_DARK.items()):
        svg = svg.replace(colour, f"var(--c{number})")
        light.append(f"--c{number}: {colour}")
        dark.append(f"--c{number}: {instead}")
    ink = list(_DARK).index("#000000")  # glyphs name no colour
    style = (
        f"<style>svg {{ {'; '.join(light)}; fill: var(--c{ink}) }} "
        f"@media (prefers-color-scheme: dark) {{ svg {{ {'; '.join(dark)} }} }}</style>"
    )
    return svg.replace("<defs>", f"{style}\n <defs>", 1)

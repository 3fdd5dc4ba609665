"""The picture of a soak: how good the champion was, how each day ended, and what it cost."""

from pathlib import Path
from typing import Any

from benchmarks import pictures

COLOURS = {
    "pushed": pictures.GREEN,
    "kept": pictures.PALE_BLUE,
    "no new data": pictures.GREY,
    "refused": pictures.ORANGE,
    "failed": pictures.RED,
    "crashed": pictures.PURPLE,
}


def draw(result: dict[str, Any], file: Path) -> None:
    """Draw the month.

    Args:
      result: what benchmarks.soak wrote.
      file: an SVG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    days = result["days"]
    numbers = [day["day"] for day in days]
    figure, (top, middle, bottom) = plt.subplots(
        3, 1, figsize=(11, 7), sharex=True, height_ratios=(4, 1.2, 2), layout="constrained"
    )
    accuracy = [day["champion_accuracy"] for day in days]
    top.step(
        numbers, [a if a is not None else float("nan") for a in accuracy], where="post", color=pictures.GREEN
    )
    for day in days:
        for line in day["rounds"]:
            if line["accuracy"] is not None:
                top.plot(day["day"], line["accuracy"], "o", color=COLOURS[line["outcome"]], markersize=5)
    top.set_ylabel("accuracy on the held-out notes")
    top.set_title(
        "Line: the champion. Dots: candidates. Pushed only if the lower 95% bound of the improvement is above 0",
        fontsize=pictures.FONT_SIZE,
        loc="left",
    )
    measured = [line["accuracy"] or 0.0 for day in days for line in day["rounds"]]
    top.set_ylim(0, min(1.0, 1.3 * max([0.5, *measured])))
    top.grid(alpha=0.3)
    for day in days:
        for place, line in enumerate(day["rounds"]):
            colour = COLOURS.get(line["outcome"], pictures.GREY)
            middle.bar(day["day"], 1, bottom=place, width=0.9, color=colour)
        if day["kind"] != "ordinary":
            middle.text(
                day["day"], len(day["rounds"]) + 0.1, day["kind"], rotation=45, fontsize=pictures.FONT_SIZE
            )
    middle.set_ylim(0, 5)
    middle.set_yticks([])
    middle.set_ylabel("rounds")
    middle.legend(
        [Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()],
        list(COLOURS),
        ncols=len(COLOURS),
        fontsize=pictures.FONT_SIZE,
        loc="upper left",
        bbox_to_anchor=(0, -0.02),
        frameon=False,
    )
    lines = {
        "peak_memory_mb": ("peak memory, MB", pictures.BLUE),
        "workspace_mb": ("workspace, MB", pictures.ORANGE),
    }
    for key, (label, colour) in lines.items():
        bottom.plot(numbers, [day[key] or float("nan") for day in days], ".-", label=label, color=colour)
    bottom.set_ylim(bottom=0)
    bottom.set_xlabel("day")
    bottom.legend(fontsize=pictures.FONT_SIZE)
    bottom.grid(alpha=0.3)
    pictures.save(figure, file)
    plt.close(figure)

"""Numbers in short, for people."""

from collections.abc import Iterable


def in_short(numbers: Iterable[int]) -> str:
    """Return rising numbers with their ranges: `3–5, 8`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)

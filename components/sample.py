"""The sample: some notes with their sound, which ingest puts aside for whoever needs a few notes and not all of them.

Who reads it: Canary (valid), Drift (train), the report's gallery (either).
"""

from collections.abc import Mapping
from typing import Any

import nsynth

NOTES = {"train": 200, "valid": 64}
"""Split → notes of it in the sample, 256 KB each: the most typical one of each class, which may be more, and others at
random. With 200 notes, the share of them that a model classifies correctly has a standard error of 3.5 points at
most."""


def distance_from_typical(attributes: Mapping[str, Any]) -> float:
    """Return how far a note's numbers lie from the typical ones, in the steps of `nsynth.NUMBERS`; 0 where it has none.

    Args:
      attributes: word of a number → its value; other words may be there.
    """
    away = 0.0
    for number in nsynth.NUMBERS:
        if number.word in attributes:
            value, step = number.typical
            away += abs(int(attributes[number.word]) - value) / step
    return away

"""Accuracy on the demo notes by the lineage of their SoundFonts: one maker's recordings, or sounds in general?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.documents.document import Figure
from components.gate.bootstrap import Resampling
from components.predictions import Predictions
from corpus.overview import lineages

RESAMPLES = 2_000


@dataclass(frozen=True)
class LineageRow:
    """The notes of one lineage."""

    lineage: str
    notes: int
    instruments: int
    accuracy: Figure


def by_lineage(predictions: Predictions, data: Path, confidence: float) -> list[LineageRow]:
    """Return the accuracy of each lineage, with intervals over whole instruments.

    Args:
      predictions: the candidate's, as the gate keeps them.
      data: the folder that the notes come from; without the demo's table the answer is empty.
      confidence: of the intervals, such as 0.95.
    """
    known = lineages(data)
    of_note = np.array([known.get(name, "") for name in predictions.instrument_str])
    right = predictions.candidate.argmax(1) == predictions.family
    rows = []
    for lineage in sorted(set(of_note) - {""}):
        inside = of_note == lineage
        resampling = Resampling.of(predictions.instrument_str[inside], RESAMPLES, confidence, seed=0)
        accuracy = resampling.share(right[inside])
        rows.append(LineageRow(lineage, int(inside.sum()), resampling.instruments, accuracy))
    return rows

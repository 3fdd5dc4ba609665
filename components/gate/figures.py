"""Metrics of predictions: over all notes, by family, and calibration."""

import numpy as np

import nsynth
from components.documents.document import Figure
from components.documents.models import Calibration, CalibrationBin, FamilyRow
from components.gate.bootstrap import Resampling, figure

CLASSES = len(nsynth.CLASSES)
SMALLEST_PROBABILITY = 1e-7


def overall(probabilities: np.ndarray, labels: np.ndarray, resampling: Resampling) -> dict[str, Figure]:
    """Compute metrics over all notes, each with its interval.

    Args:
      probabilities: float [notes, families].
      labels: int [notes].
      resampling: over the same notes.
    """
    answers = probabilities.argmax(1)
    own = probabilities[np.arange(len(labels)), labels]
    rank = (probabilities > own[:, None]).sum(1)
    return {
        "accuracy": resampling.share(answers == labels),
        "macro_recall": macro_recall(answers == labels, labels, resampling),
        "top_3_accuracy": resampling.share(rank < 3),
        "log_loss": resampling.mean(-np.log(np.maximum(own, SMALLEST_PROBABILITY))),
    }


def macro_recall(hits: np.ndarray, labels: np.ndarray, resampling: Resampling) -> Figure:
    """Compute macro recall: the mean recall of the families that occur in the notes.

    Args:
      hits: whether each note is classified correctly, or the share of several models that do so, [notes].
      labels: int [notes].
      resampling: over the same notes.
    """
    present = np.eye(CLASSES)[labels]
    notes = resampling.sums(present)
    right = resampling.sums(present * hits[:, None])
    with np.errstate(
        invalid="ignore"
    ):  # 0 / 0 for a family that is not in a resample or in the data: left out
        value = np.nanmean(right.sum(0) / notes.sum(0))
        replicates = np.nanmean((resampling.weights @ right) / (resampling.weights @ notes), axis=1)
    return resampling.widen_degenerate(figure(value, *resampling.bounds(replicates)))


def confusion(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count notes by true family (rows) and predicted family (columns): int [families, families]."""
    counts = np.zeros((CLASSES, CLASSES), int)
    np.add.at(counts, (labels, answers), 1)
    return counts


def by_family(counts: np.ndarray) -> tuple[FamilyRow, ...]:
    """Compute precision, recall and F1 of each family from the confusion matrix; None where undefined (0 / 0)."""
    rows = []
    for index, family in enumerate(nsynth.CLASSES):
        right, notes, answered = (
            int(counts[index, index]),
            int(counts[index].sum()),
            int(counts[:, index].sum()),
        )
        rows.append(
            FamilyRow(
                family=family,
                notes=notes,
                answered=answered,
                precision=right / answered if answered else None,
                recall=right / notes if notes else None,
                f1=2 * right / (notes + answered) if notes + answered else None,
            )
        )
    return tuple(rows)


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> Calibration:
    """Compute the expected calibration error over equally wide bins of the top probability, and the bins.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.
    """
    top, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.minimum((top * bins).astype(int), bins - 1)
    rows, error = [], 0.0
    for index in np.unique(place):
        inside = place == index
        stated, seen = float(top[inside].mean()), float(right[inside].mean())
        error += inside.mean() * abs(stated - seen)
        rows.append(
            CalibrationBin(
                low=float(index / bins),
                high=float((index + 1) / bins),
                notes=int(inside.sum()),
                confidence=stated,
                accuracy=seen,
            )
        )
    return Calibration(error=float(error), bins=tuple(rows))

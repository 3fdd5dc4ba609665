"""The most confident errors, with picture and sound."""

from typing import Any

import numpy as np

from components.predictions import Predictions
from pipeline.report.record import Absent, RunRecord
from pipeline.report.sections.gallery import cards, spectrogram_options

SHOWN = 12


def build(record: RunRecord) -> dict[str, Any]:
    """Return a card for each of the most confident errors."""
    predictions = record.predictions()
    worst = most_wrong(predictions, SHOWN)
    if not len(worst):
        raise Absent("No note was misclassified.")
    names = predictions.note_str[worst].tolist()
    places = [record.places[name] for name in names if name in record.places]
    judged = dict(zip(names, predictions.candidate[worst], strict=True))
    shown = cards(places, spectrogram_options(record), judged)
    for card in shown:
        card["own"] = float(judged[card["note_str"]][card["label"]])
    wrong = int((predictions.candidate.argmax(1) != predictions.family).sum())
    return {"cards": shown, "wrong": wrong, "notes": len(predictions.family)}


def most_wrong(predictions: Predictions, count: int) -> np.ndarray:
    """Return the rows of the `count` most confident errors in order; one per instrument as far as possible.

    The notes of one instrument are wrong together: without that rule one instrument would fill the page.
    """
    probabilities = predictions.candidate
    answers = probabilities.argmax(1)
    wrong = np.flatnonzero(answers != predictions.family)
    surest = wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")]
    _, first = np.unique(predictions.instrument_str[surest], return_index=True)
    others = np.setdiff1d(np.arange(len(surest)), first)
    kept = np.sort(np.concatenate([np.sort(first), others])[:count])
    return surest[kept]

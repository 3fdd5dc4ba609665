"""One note of each family: its spectrogram, its sound, and the predicted family."""

import contextlib
from collections.abc import Iterable
from typing import Any

import numpy as np

import nsynth
from components.sample import distance_from_typical
from pipeline.report.notes import Place, catalogue, flac_uri, log_mel_picture, read_audio
from pipeline.report.record import Absent, RunRecord
from transform.mel import log_mel
from transform.options import SpectrogramOptions


def build(record: RunRecord) -> dict[str, Any]:
    """Return a card for each class that there are notes of."""
    chosen = _chosen(record)
    if not chosen:
        raise Absent("There are no notes to show.")
    options = spectrogram_options(record)
    judged = answers(record)
    return {"cards": cards(list(chosen.values()), options, judged), "options": options}


def _chosen(record: RunRecord) -> dict[str, Place]:
    """Return family → its note, from the judged split; from train, if that split has none of the family."""
    found = typical(catalogue(record.sample()))
    if len(found) < len(nsynth.CLASSES):
        with contextlib.suppress(Absent):
            found = typical(catalogue(record.sample("train"))) | found
    return {family: found[family] for family in nsynth.CLASSES if family in found}


def typical(places: Iterable[Place]) -> dict[str, Place]:
    """Return family → its note whose numbers are the nearest to the typical ones."""

    def distance(place: Place) -> tuple[float, str]:
        return distance_from_typical(place.attributes), place.note_str

    best: dict[str, Place] = {}
    for place in places:
        if place.family not in best or distance(place) < distance(best[place.family]):
            best[place.family] = place
    return best


def spectrogram_options(record: RunRecord) -> SpectrogramOptions:
    """Return the front end that the run used; the configured one, if the run did not come so far."""
    try:
        return SpectrogramOptions.model_validate(record.setting("Transform", "custom_config")["spectrogram"])
    except (Absent, KeyError, ValueError):
        return record.ran_with.spectrogram


def answers(record: RunRecord) -> dict[str, np.ndarray]:
    """note_str → the candidate's probabilities; empty if it was not asked."""
    try:
        predictions = record.predictions()
        return dict(zip(predictions.note_str.tolist(), predictions.candidate, strict=True))
    except Absent:
        return {}


def cards(
    places: list[Place], options: SpectrogramOptions, judged: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Return what the page shows of each note: name, words, picture, sound and answer."""
    shown = []
    for place in places:
        audio = read_audio(place)
        shown.append(
            {
                "note_str": place.note_str,
                "family": place.family.replace("_", " "),
                "label": nsynth.CLASSES.index(place.family),
                "detail": place.detail,
                "picture": log_mel_picture(log_mel(audio, options)),
                "sound": flac_uri(audio),
                "answer": answer(judged[place.note_str]) if place.note_str in judged else None,
            }
        )
    return shown


def answer(probabilities: np.ndarray) -> dict[str, Any]:
    """Return the likeliest family and its probability."""
    top = int(probabilities.argmax())
    return {"family": nsynth.CLASSES[top].replace("_", " "), "probability": float(probabilities[top])}

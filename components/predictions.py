"""What candidate and champion answer to the same notes, kept for the gate, the canary and the report."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import nsynth
from components import storage

PREDICTIONS_FILE = "predictions.npz"
BATCH_SIZE = 32


ABSENT = -1
"""Stands for a category or number that a note lacks."""

_ATTRIBUTES = {
    **{category.word: category.id_key for category in nsynth.CATEGORIES},
    **{number.word: number.key for number in nsynth.NUMBERS},
}
"""Word of a category or number → its feature."""
_COLUMNS = ("note_str", "instrument_str", "family", "candidate", "champion")


@dataclass(frozen=True)
class Predictions:
    """One row a note. On disk an .npz, which NumPy alone can read."""

    note_str: np.ndarray  # str [notes]
    instrument_str: np.ndarray  # str [notes], the group
    family: np.ndarray  # int [notes], the right answer
    attributes: dict[str, np.ndarray]  # word of a category or number → int [notes], id or value, or ABSENT
    candidate: np.ndarray  # float32 [notes, families], probabilities
    champion: np.ndarray  # likewise; [0, families] if there is no champion

    def __len__(self) -> int:
        return len(self.note_str)

    @property
    def has_champion(self) -> bool:
        """Whether there are a champion's answers."""
        return len(self.champion) > 0

    def save(self, folder: str) -> None:
        """Writes `predictions.npz` into `folder`."""
        buffer = io.BytesIO()
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        np.savez_compressed(buffer, **{**columns, **self.attributes})
        storage.write_bytes(f"{folder}/{PREDICTIONS_FILE}", buffer.getvalue())

    @classmethod
    def load(cls, folder: str | Path) -> "Predictions":
        """Reads `predictions.npz` from `folder`."""
        with np.load(io.BytesIO(storage.read_bytes(f"{folder}/{PREDICTIONS_FILE}"))) as arrays:
            attributes = {word: arrays[word] for word in _ATTRIBUTES if word in arrays}
            return cls(**{name: arrays[name] for name in _COLUMNS}, attributes=attributes)


def predict(files: Iterable[str], candidate: str, champion: str | None) -> Predictions:
    """Sends every note through the signature `serving_default` of both models.

    Args:
      files: TFRecords of raw Examples.
      candidate: folder of a SavedModel.
      champion: likewise, or none.

    Raises:
      nsynth.UserError: there is no note, or a model answers with something else than finite probabilities.
    """
    import tensorflow as tf

    models = {"candidate": candidate} | ({"champion": champion} if champion else {})
    loaded = {name: tf.saved_model.load(folder) for name, folder in models.items()}
    strings = (nsynth.NOTE_STR, nsynth.GROUP.key)
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in strings}
    spec[nsynth.LABEL.id_key] = tf.io.FixedLenFeature([], tf.int64)
    spec |= {key: tf.io.FixedLenFeature([], tf.int64, ABSENT) for key in _ATTRIBUTES.values()}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in (*spec, "candidate", "champion")}
    for file in sorted(files):
        kind = "GZIP" if file.endswith(".gz") else ""
        for batch in tf.data.TFRecordDataset(file, kind).batch(BATCH_SIZE):
            for name, values in tf.io.parse_example(batch, spec).items():
                columns[name].append(values.numpy())
            for name, model in loaded.items():
                answer = model.signatures["serving_default"](examples=batch)
                columns[name].append(_checked(answer["probabilities"].numpy(), name))
    if not columns[nsynth.NOTE_STR]:
        raise nsynth.UserError("there are no notes to judge a model on: the split is empty")
    joined = {name: np.concatenate(parts) for name, parts in columns.items() if parts}
    return Predictions(
        note_str=_text(joined[nsynth.NOTE_STR]),
        instrument_str=_text(joined[nsynth.GROUP.key]),
        family=joined[nsynth.LABEL.id_key],
        attributes={word: joined[key] for word, key in _ATTRIBUTES.items()},
        candidate=joined["candidate"],
        champion=joined.get("champion", np.zeros((0, len(nsynth.CLASSES)), np.float32)),
    )


def slices(predictions: Predictions, edges: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The parts of the notes that are looked at by themselves: name, such as `family=bass` -> bool [notes].

    Args:
      predictions: of the notes.
      edges: number → where its bands begin; the last edge ends the last band. Other numbers are sliced by value.
    """
    columns = {nsynth.LABEL.word: predictions.family, **predictions.attributes}
    parts = {}
    for category in (nsynth.LABEL, *nsynth.CATEGORIES):
        for index, name in enumerate(category.names):
            parts[f"{category.word}={name}"] = columns[category.word] == index
    for number in nsynth.NUMBERS:
        values = columns[number.word]
        for low, end in pairwise(edges.get(number.word, ())):
            parts[f"{number.word}={low}-{end - 1}"] = (values >= low) & (values < end)
        for value in () if number.word in edges else np.unique(values[values != ABSENT]):
            parts[f"{number.word}={value}"] = values == value
    return {name: inside for name, inside in parts.items() if inside.any()}


def _checked(probabilities: np.ndarray, name: str) -> np.ndarray:
    if probabilities.shape[1:] != (len(nsynth.CLASSES),) or not np.isfinite(probabilities).all():
        raise nsynth.UserError(
            f"the {name} answers with {probabilities.shape} values, some of them not finite"
        )
    return probabilities.astype(np.float32)


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([value.decode() for value in values])

"""What candidate and champion answer to the same notes, kept for the gate, the canary and the report."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np

import nsynth
from components import storage

PREDICTIONS_FILE = "predictions.npz"
BATCH_SIZE = 32


@dataclass(frozen=True)
class Predictions:
    """One row a note. On disk an .npz, which NumPy alone can read."""

    note_str: np.ndarray  # str [notes]
    instrument_str: np.ndarray  # str [notes]
    family: np.ndarray  # int [notes], the right answer
    source: np.ndarray  # int [notes]
    pitch: np.ndarray  # int [notes], MIDI
    velocity: np.ndarray  # int [notes], MIDI
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
        np.savez_compressed(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        storage.write_bytes(f"{folder}/{PREDICTIONS_FILE}", buffer.getvalue())

    @classmethod
    def load(cls, folder: str | Path) -> "Predictions":
        """Reads `predictions.npz` from `folder`."""
        with np.load(io.BytesIO(storage.read_bytes(f"{folder}/{PREDICTIONS_FILE}"))) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


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
    strings = (nsynth.NOTE_STR, nsynth.INSTRUMENT_STR)
    numbers = (nsynth.FAMILY, nsynth.SOURCE, nsynth.PITCH, nsynth.VELOCITY)
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in strings}
    spec |= {name: tf.io.FixedLenFeature([], tf.int64) for name in numbers}
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
        instrument_str=_text(joined[nsynth.INSTRUMENT_STR]),
        family=joined[nsynth.FAMILY],
        source=joined[nsynth.SOURCE],
        pitch=joined[nsynth.PITCH],
        velocity=joined[nsynth.VELOCITY],
        candidate=joined["candidate"],
        champion=joined.get("champion", np.zeros((0, len(nsynth.FAMILIES)), np.float32)),
    )


def slices(predictions: Predictions, pitch_edges: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The parts of the notes that are looked at by themselves: name, such as `family=bass` -> bool [notes]."""
    parts = {f"family={name}": predictions.family == index for index, name in enumerate(nsynth.FAMILIES)}
    parts |= {f"source={name}": predictions.source == index for index, name in enumerate(nsynth.SOURCES)}
    for low, end in pairwise(pitch_edges):
        parts[f"pitch={low}-{end - 1}"] = (predictions.pitch >= low) & (predictions.pitch < end)
    for velocity in np.unique(predictions.velocity):
        parts[f"velocity={velocity}"] = predictions.velocity == velocity
    return {name: inside for name, inside in parts.items() if inside.any()}


def _checked(probabilities: np.ndarray, name: str) -> np.ndarray:
    if probabilities.shape[1:] != (len(nsynth.FAMILIES),) or not np.isfinite(probabilities).all():
        raise nsynth.UserError(
            f"the {name} answers with {probabilities.shape} values, some of them not finite"
        )
    return probabilities.astype(np.float32)


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([value.decode() for value in values])

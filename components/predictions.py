"""What candidate and champion answer to the same notes: asked once, kept for TFMA, the gate, the canary and the report.

On disk each note is a small tf.Example without its sound, so that TFX's Evaluator reads the answers as it reads notes.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import cores
import nsynth
from components import storage, tfrecord
from components.example_proto import Example, floats

BATCH_SIZE = 32
CANDIDATE, CHAMPION = "candidate", "champion"
"""Features with the probabilities that each model answered."""

ABSENT = -1
"""Stands for a category or number that a note lacks."""

_ATTRIBUTES = {
    **{category.word: category.id_key for category in nsynth.CATEGORIES},
    **{number.word: number.key for number in nsynth.NUMBERS},
}
"""Word of a category or number → its feature."""
_NO_ANSWERS = np.zeros((0, len(nsynth.CLASSES)), np.float32)


@dataclass(frozen=True)
class Predictions:
    """One row a note."""

    note_str: np.ndarray  # str [notes]
    instrument_str: np.ndarray  # str [notes], the group
    family: np.ndarray  # int [notes], the right answer
    attributes: dict[str, np.ndarray]  # word of a category or number → int [notes], id or value, or ABSENT
    candidate: np.ndarray  # float32 [notes, families], probabilities
    champion: np.ndarray  # likewise; [0, families] if there is no champion

    def __len__(self) -> int:
        return len(self.note_str)

    @property
    def accuracy(self) -> float:
        """Share of the notes that the candidate classifies correctly."""
        return float((self.candidate.argmax(1) == self.family).mean())

    @property
    def has_champion(self) -> bool:
        """Whether there are a champion's answers."""
        return len(self.champion) > 0

    @classmethod
    def join(cls, parts: Iterable["Predictions"]) -> "Predictions":
        """Return the rows of several tables in one.

        Raises:
          nsynth.UserError: there is no row.
        """
        rows = list(parts)
        if not any(map(len, rows)):
            raise nsynth.UserError("there are no notes to evaluate a model on: the split is empty")
        columns = {
            field.name: np.concatenate([getattr(part, field.name) for part in rows])
            for field in dataclasses.fields(cls)
            if field.name != "attributes"
        }
        words = rows[0].attributes
        attributes = {word: np.concatenate([part.attributes[word] for part in rows]) for word in words}
        return cls(**columns, attributes=attributes)

    def records(self) -> Iterator[bytes]:
        """Yield each note as a serialized tf.Example: name, group, label and attributes, a feature for each model."""
        for row in range(len(self)):
            example = Example()
            put = example.features.feature
            put[nsynth.NOTE_STR].bytes_list.value.append(self.note_str[row].encode())
            put[nsynth.GROUP.key].bytes_list.value.append(self.instrument_str[row].encode())
            values = {word: int(column[row]) for word, column in self.attributes.items()}
            values[nsynth.LABEL.word] = int(self.family[row])
            for category in (nsynth.LABEL, *nsynth.CATEGORIES):
                if (number := values.get(category.word, ABSENT)) != ABSENT:
                    put[category.id_key].int64_list.value.append(number)
                    put[category.name_key].bytes_list.value.append(category.names[number].encode())
            for attribute in nsynth.NUMBERS:
                if (number := values.get(attribute.word, ABSENT)) != ABSENT:
                    put[attribute.key].int64_list.value.append(number)
            put[CANDIDATE].float_list.value.extend(self.candidate[row].tolist())
            if self.has_champion:
                put[CHAMPION].float_list.value.extend(self.champion[row].tolist())
            yield example.SerializeToString(deterministic=True)

    @classmethod
    def load(cls, folder: str | Path) -> "Predictions":
        """Read the artifact of Predictor, in the order of its files.

        Raises:
          nsynth.UserError: a file is damaged, or there is none.
        """
        splits = sorted(name for name in storage.children(str(folder)) if name.startswith("Split-"))
        files = [
            f"{folder}/{split}/{name}"
            for split in splits
            for name in sorted(storage.children(f"{folder}/{split}"))
        ]
        notes = [Example.FromString(record).features.feature for file in files for record in _records(file)]
        if not notes:
            raise nsynth.UserError(f"{folder} holds no predictions: run the step Predictor again")

        def text(key: str) -> np.ndarray:
            return np.array([note[key].bytes_list.value[0].decode() for note in notes])

        def whole(key: str) -> np.ndarray:
            return np.array([note[key].int64_list.value[0] if key in note else ABSENT for note in notes])

        def probabilities(key: str) -> np.ndarray:
            return np.stack([floats(note[key].float_list) for note in notes])

        return cls(
            note_str=text(nsynth.NOTE_STR),
            instrument_str=text(nsynth.GROUP.key),
            family=whole(nsynth.LABEL.id_key),
            attributes={word: whole(key) for word, key in _ATTRIBUTES.items()},
            candidate=probabilities(CANDIDATE),
            champion=probabilities(CHAMPION) if CHAMPION in notes[0] else _NO_ANSWERS,
        )


def predict(files: Iterable[str], candidate: str, champion: str | None = None) -> Predictions:
    """Ask both models about every note and hold all answers in memory; see `ask`."""
    return Predictions.join(batch for _, batch in ask(files, candidate, champion))


def ask(
    files: Iterable[str], candidate: str, champion: str | None = None
) -> Iterator[tuple[str, Predictions]]:
    """Send every note once through the signature `serving_default` of both models, a file on each core.

    Args:
      files: TFRecords of raw Examples.
      candidate: folder of a SavedModel.
      champion: likewise, or none.

    Yields:
      A file, in order of their names, and the answers to the next BATCH_SIZE notes of it, or to its last ones.

    Raises:
      nsynth.UserError: a model answers with something else than finite probabilities.
    """
    import tensorflow as tf

    models = {CANDIDATE: candidate} | ({CHAMPION: champion} if champion else {})
    loaded = {name: tf.saved_model.load(folder) for name, folder in models.items()}
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in (nsynth.NOTE_STR, nsynth.GROUP.key)}
    spec[nsynth.LABEL.id_key] = tf.io.FixedLenFeature([], tf.int64)
    spec |= {key: tf.io.FixedLenFeature([], tf.int64, ABSENT) for key in _ATTRIBUTES.values()}

    def answers(file: str) -> list[Predictions]:
        kind = "GZIP" if file.endswith(".gz") else ""
        batches = tf.data.TFRecordDataset(file, kind).batch(BATCH_SIZE).prefetch(1)
        return [_answers(loaded, batch, tf.io.parse_example(batch, spec)) for batch in batches]

    ordered = sorted(files)
    for file, answered in zip(ordered, cores.each(answers, ordered), strict=True):
        yield from ((file, batch) for batch in answered)


def _answers(models: Mapping[str, Any], serialized: Any, parsed: Mapping[str, Any]) -> Predictions:
    """Return what the models answer to a batch of notes."""
    notes = {name: values.numpy() for name, values in parsed.items()}
    answers = {
        name: _checked(
            model.signatures["serving_default"](examples=serialized)["probabilities"].numpy(), name
        )
        for name, model in models.items()
    }
    return Predictions(
        note_str=_text(notes[nsynth.NOTE_STR]),
        instrument_str=_text(notes[nsynth.GROUP.key]),
        family=notes[nsynth.LABEL.id_key],
        attributes={word: notes[key] for word, key in _ATTRIBUTES.items()},
        candidate=answers[CANDIDATE],
        champion=answers.get(CHAMPION, _NO_ANSWERS),
    )


def slices(predictions: Predictions, edges: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return the parts of the notes that are looked at by themselves: name, such as `family=bass` -> bool [notes].

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


def _records(file: str) -> Iterator[bytes]:
    try:
        yield from tfrecord.records(storage.read_bytes(file))
    except ValueError as error:
        raise nsynth.UserError(f"{file}: {error}. Run the step Predictor again") from error


def _checked(probabilities: np.ndarray, name: str) -> np.ndarray:
    if probabilities.shape[1:] != (len(nsynth.CLASSES),) or not np.isfinite(probabilities).all():
        raise nsynth.UserError(
            f"the {name} answers with {probabilities.shape} values, some of them not finite"
        )
    return probabilities.astype(np.float32)


def _text(values: np.ndarray) -> np.ndarray:
    return np.array([value.decode() for value in values])

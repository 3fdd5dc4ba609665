"""Spans of data for the soak: what a day brings, good or bad, dealt from a rendered corpus."""

import mmap
import random
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nsynth
from components.tfrecord import frame
from corpus.options import CorpusOptions
from corpus.render import render_corpus
from pipeline.retrain.spans import folder_name

TRAIN_NOTES = 264
VALID_NOTES = 66
CORPUS = CorpusOptions(size=16)
QUIET_DB = -30.0

Note = bytes | memoryview
"""A serialized tf.Example."""

Notes = list[Note]


class Deliveries:
    """Writes a span a day. The held-out folder and the spans share no instrument with each other's training."""

    def __init__(self, folder: Path, seed: int = 0, soundfonts: Sequence[str] = CORPUS.soundfonts):
        """Render the corpus and lay the held-out notes aside, once; go on after spans that are there.

        Raises:
          UserError: a SoundFont is not installed; the message names the package.
        """
        self.spans, self.holdout = folder / "spans", folder / "holdout"
        self._random = random.Random(seed)
        render_corpus(CORPUS.model_copy(update={"soundfonts": tuple(soundfonts)}), folder / "corpus")
        self._train = by_family(records(folder / "corpus" / "nsynth-train.tfrecord"))
        valid = list(records(folder / "corpus" / "nsynth-valid.tfrecord"))
        self._random.shuffle(valid)
        held_out = self.holdout / "nsynth-valid.tfrecord"
        if not held_out.exists():  # it must never change
            self.holdout.mkdir(parents=True, exist_ok=True)
            write(held_out, [*valid[: len(valid) // 2], *records(folder / "corpus" / "nsynth-test.tfrecord")])
        self._valid = by_family(valid[len(valid) // 2 :])
        self._number = len(list(self.spans.glob("span-*")))
        if self._number:
            self._random = random.Random(f"{seed} after {self._number}")

    def deliver(self, kind: str) -> int:
        """Write the next span; return its number, or 0 on a day without data.

        Args:
          kind: a name in DAYS.
        """
        if kind == "no data":
            return 0
        self._number += 1
        folder = self.spans / folder_name(self._number)
        folder.mkdir(parents=True)
        only = "keyboard" if kind == "one family" else None
        train, valid = self._draw(self._train, TRAIN_NOTES, only), self._draw(self._valid, VALID_NOTES, only)
        spoil = SPOILT.get(kind)
        write(folder / "nsynth-train.tfrecord", spoil(train) if spoil else train)
        write(folder / "nsynth-valid.tfrecord", valid)
        if kind == "corrupt file":
            damage(folder / "nsynth-train.tfrecord")
        return self._number

    def _draw(self, notes: dict[str, Notes], count: int, only: str | None) -> Notes:
        """Return some notes of every family, as evenly as there are, ordered by family as NSynth's files are."""
        families = [only] if only else sorted(notes)
        share = -(-count // len(families))
        return [
            note
            for family in families
            for note in self._random.sample(notes[family], min(share, len(notes[family])))
        ]


def records(path: Path) -> Iterator[memoryview]:
    """Yield the records of an undamaged TFRecord; they stay in the file, and no process carries them along."""
    with path.open("rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    start = 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        yield content[start + 12 : start + 12 + length]
        start += 12 + length + 4


def by_family(notes: Iterable[Note]) -> dict[str, Notes]:
    """Return family → its notes."""
    families: dict[str, Notes] = defaultdict(list)
    for note in notes:
        families[parsed(note).features.feature[nsynth.FAMILY_STR].bytes_list.value[0].decode()].append(note)
    return dict(families)


def parsed(note: Note) -> Any:
    """Return the tf.Example."""
    import tensorflow as tf

    return tf.train.Example.FromString(bytes(note))


def write(path: Path, notes: Iterable[Note]) -> None:
    """Write a TFRecord."""
    path.write_bytes(b"".join(frame(bytes(note)) for note in notes))


def mislabelled(notes: Notes) -> Notes:
    """Return each note under the name of the next family: consistent in itself, and wrong."""
    return [_renamed(note) for note in notes]


def _renamed(note: Note) -> bytes:
    example = parsed(note)
    feature = example.features.feature
    family = (feature[nsynth.FAMILY].int64_list.value[0] + 1) % len(nsynth.FAMILIES)
    source = nsynth.SOURCES[feature[nsynth.SOURCE].int64_list.value[0]]
    number = feature[nsynth.INSTRUMENT].int64_list.value[0]
    pitch, velocity = (feature[key].int64_list.value[0] for key in (nsynth.PITCH, nsynth.VELOCITY))
    instrument = f"{nsynth.FAMILIES[family]}_{source}_{number:03d}"
    feature[nsynth.FAMILY].int64_list.value[0] = family
    feature[nsynth.FAMILY_STR].bytes_list.value[0] = nsynth.FAMILIES[family].encode()
    feature[nsynth.INSTRUMENT_STR].bytes_list.value[0] = instrument.encode()
    feature[nsynth.NOTE_STR].bytes_list.value[0] = f"{instrument}-{pitch:03d}-{velocity:03d}".encode()
    return example.SerializeToString(deterministic=True)


def quieter(notes: Notes) -> Notes:
    """Return each note at another level."""
    return [_at(note, 10 ** (QUIET_DB / 20)) for note in notes]


def _at(note: Note, gain: float) -> bytes:
    example = parsed(note)
    audio = example.features.feature[nsynth.AUDIO].float_list
    samples = np.asarray(audio.value, np.float32) * np.float32(gain)
    del audio.value[:]
    audio.value.extend(samples.tolist())
    return example.SerializeToString(deterministic=True)


def damage(path: Path) -> None:
    """Overwrite the middle fifth of a file with zeros, as a broken disk does."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(2 * size // 5)
        file.write(bytes(size // 5))


SPOILT: dict[str, Callable[[Notes], Notes]] = {"mislabelled": mislabelled, "another level": quieter}

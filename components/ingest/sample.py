"""Puts the sample aside: chooses from what the workers tell of their shards, and copies these records alone.

The choice follows from the shards' order, which is that of the shuffle: the first notes are notes at random.
"""

import os
from collections.abc import Iterable
from typing import NamedTuple

import nsynth
from components import tfrecord
from components.ingest import files
from components.ingest.shard import Layout, Used, scratch, split_folder
from components.sample import NOTES, distance_from_typical
from components.tfrecord import Record

FILE = "data_tfrecord-00000-of-00001"


class _Place(NamedTuple):
    """Where a record lies in its split."""

    shard: str
    offset: int
    length: int


class Sample:
    """Keeps a few places of each split and class."""

    def __init__(self) -> None:
        self._first: dict[str, list[_Place]] = {}
        self._typical: dict[tuple[str, int], tuple[float, str, _Place]] = {}

    def add(self, shard: str, used: Iterable[Used]) -> None:
        """Take in one shard: the file name and the notes that it yielded, in order."""
        for note in used:
            if note.split not in NOTES:
                continue
            place = _Place(shard, note.offset, note.length)
            first = self._first.setdefault(note.split, [])
            if len(first) < NOTES[note.split]:
                first.append(place)
            found = distance_from_typical(note.attributes), note.note_str, place
            key = note.split, note.attributes[nsynth.LABEL.word]
            self._typical[key] = min(found, self._typical.get(key, found))

    def write(self, layout: Layout) -> list[str]:
        """Copy the chosen records, in the order of the shards.

        Returns:
            The splits that have any.
        """
        for split, first in self._first.items():
            typical = [place for (of, _), (*_, place) in sorted(self._typical.items()) if of == split]
            count = max(len(typical), NOTES[split])
            chosen = list(dict.fromkeys([*typical, *first]))[:count]
            target = os.path.join(split_folder(layout.sample, split), FILE)
            with files.whole_file(target, scratch(layout.sample)) as file:
                for place in sorted(chosen):
                    file.write(tfrecord.frame(_read(layout, split, place)))
        return [split for split in nsynth.SPLITS if split in self._first]


def _read(layout: Layout, split: str, place: _Place) -> bytes:
    path = os.path.join(split_folder(layout.examples, split), place.shard)
    with files.open_to_read(path) as shard:
        data, intact = tfrecord.read_data(shard, Record(place.offset, place.length))
    if not intact:
        raise OSError(f"{path} was damaged right after it was written: at byte {place.offset:,}")
    return data

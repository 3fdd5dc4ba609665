"""An exact global shuffle: a seeded uniform permutation says for each record in which shard and place it ends.

The plan is made of offsets alone, a few bytes a note, so that the sound need never travel.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import nsynth
from components.ingest.index import Index
from components.ingest.options import IngestOptions
from components.ingest.sources import Source
from components.tfrecord import FRAME_BYTES

_MEGABYTE = 10**6


class Shard(NamedTuple):
    """What one worker writes: the records of the i-th place, read at `offsets[i]` of `sources[source_ids[i]]`."""

    split: str  # of the data: train, valid or test
    number: int
    of: int
    routes: "Routes"
    sources: tuple[Source, ...]
    source_ids: np.ndarray  # int32[notes]
    offsets: np.ndarray  # int64[notes]
    lengths: np.ndarray  # int64[notes]

    @property
    def name(self) -> str:
        """File name of the shard, the same in each split that it feeds."""
        return f"data_tfrecord-{self.number:05d}-of-{self.of:05d}"


class Routes(NamedTuple):
    """Which split a note ends in: by a hash of its instrument, so that no instrument is ever in two.

    The hash depends on the name alone: more data never moves an instrument to another split.
    """

    rest: str  # split of all that is not carved out
    carved: tuple[tuple[str, float], ...]  # (split, fraction of the instruments)

    @property
    def splits(self) -> tuple[str, ...]:
        """All that a note may end in."""
        return (self.rest, *(split for split, _ in self.carved))

    def split(self, instrument: str) -> str:
        """Return the split of all notes of an instrument."""
        digest = hashlib.blake2b(instrument.encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        for split, fraction in self.carved:
            if place < fraction:
                return split
            place -= fraction
        return self.rest


def routes_of(splits: Sequence[str], options: IngestOptions) -> dict[str, Routes]:
    """Return how the notes of each given split are routed: dev comes out of train always, valid and test if missing."""
    fractions = {
        "dev": options.dev_fraction,
        "valid": options.valid_fraction,
        "test": options.test_fraction,
    }
    carved = tuple((name, part) for name, part in fractions.items() if name not in splits and part > 0)
    return {split: Routes(split, carved if split == "train" else ()) for split in splits}


def plan(indexes: Sequence[Index], options: IngestOptions) -> list[Shard]:
    """Deal the records of all sources out to shards."""
    splits = [split for split in nsynth.SPLITS if any(index.source.split == split for index in indexes)]
    routes = routes_of(splits, options)
    shards = []
    for split in splits:
        of_split = [index for index in indexes if index.source.split == split]
        shards += _deal(split, routes[split], of_split, options)
    return shards


def _deal(split: str, routes: Routes, indexes: Sequence[Index], options: IngestOptions) -> list[Shard]:
    notes = [index.notes for index in indexes]
    size = sum(index.bytes for index in indexes) + FRAME_BYTES * sum(notes)
    count = max(options.min_shards, -(-size // (options.shard_megabytes * _MEGABYTE)))
    parts = np.array_split(permutation(sum(notes), options.seed, split), count)
    # One column after the other: each is there twice only while it is dealt out.
    source_ids = _dealt(np.repeat(np.arange(len(indexes), dtype=np.int32), notes), parts)
    offsets = _dealt(np.concatenate([index.offsets for index in indexes]), parts)
    lengths = _dealt(np.concatenate([index.lengths for index in indexes]), parts)
    shards = []
    for number, columns in enumerate(zip(source_ids, offsets, lengths, strict=True)):
        # A shard names its own sources alone: with all of them in each, the plan would grow with the square of the
        # data.
        needed, ids = np.unique(columns[0], return_inverse=True)
        sources = tuple(indexes[place].source for place in needed)
        shards.append(Shard(split, number, count, routes, sources, ids.astype(np.int32), *columns[1:]))
    return shards


def _dealt(column: np.ndarray, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [column[part] for part in parts]


def permutation(notes: int, seed: int, split: str) -> np.ndarray:
    """Return a uniform permutation of `range(notes)`: int64[notes], the same for the same arguments."""
    generator = np.random.Generator(np.random.PCG64([seed, nsynth.SPLITS.index(split)]))
    return generator.permutation(notes)

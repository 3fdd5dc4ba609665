"""An exact global shuffle: a seeded uniform permutation says for each record in which shard and place it ends.

The plan is made of offsets alone, a few bytes a note, so that the sound need never travel. It is made shard by shard:
all that lies in memory of all notes are their indexes and the permutation.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import nsynth
from components.ingest.index import Index
from components.ingest.sources import Source
from components.tfrecord import FRAME_BYTES

if TYPE_CHECKING:  # worker processes read this file, too, and do without pydantic
    from components.ingest.options import IngestOptions

_MEGABYTE = 10**6
_BLOCK_NOTES = 1 << 20  # that are looked up at once: of each source together


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


def routes_of(splits: Sequence[str], options: "IngestOptions") -> dict[str, Routes]:
    """Return how the notes of each given split are routed: dev comes out of train always, valid and test if missing."""
    fractions = {
        "dev": options.dev_fraction,
        "valid": options.valid_fraction,
        "test": options.test_fraction,
    }
    carved = tuple((name, part) for name, part in fractions.items() if name not in splits and part > 0)
    return {split: Routes(split, carved if split == "train" else ()) for split in splits}


def plan(indexes: Sequence[Index], options: "IngestOptions") -> Iterator[Shard]:
    """Deal the records of all sources out to shards."""
    splits = [split for split in nsynth.SPLITS if any(index.source.split == split for index in indexes)]
    routes = routes_of(splits, options)
    for split in splits:
        of_split = [index for index in indexes if index.source.split == split]
        yield from _deal(split, routes[split], of_split, options)


def _deal(split: str, routes: Routes, indexes: Sequence[Index], options: "IngestOptions") -> Iterator[Shard]:
    notes = [index.notes for index in indexes]
    size = sum(index.bytes for index in indexes) + FRAME_BYTES * sum(notes)
    count = max(options.min_shards, -(-size // (options.shard_megabytes * _MEGABYTE)))
    parts = np.array_split(permutation(sum(notes), options.seed, split), count)
    number = 0
    for block in _blocks(parts):
        columns = _look_up(indexes, np.concatenate(block))
        ends = np.cumsum([len(part) for part in block])[:-1]
        for ids, offsets, lengths in zip(*(np.split(column, ends) for column in columns), strict=True):
            # A shard names its own sources alone: with all of them in each, the plan would grow with the square of the
            # data.
            needed, places = np.unique(ids, return_inverse=True)
            sources = tuple(indexes[place].source for place in needed)
            yield Shard(split, number, count, routes, sources, places.astype(np.int32), offsets, lengths)
            number += 1


def _blocks(parts: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Yield some parts at a time, with about `_BLOCK_NOTES` notes together."""
    block: list[np.ndarray] = []
    for part in parts:
        block.append(part)
        if sum(map(len, block)) >= _BLOCK_NOTES:
            yield block
            block = []
    if block:
        yield block


def _look_up(indexes: Sequence[Index], wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return source, offset and length of records, int64[notes] each.

    Args:
        indexes: of all sources.
        wanted: numbers of records among those of all sources, one source after the other.
    """
    firsts = np.cumsum([0, *(index.notes for index in indexes)])
    order = np.argsort(wanted)  # then the records of a source are neighbours
    ordered = wanted[order].astype(np.int64)
    bounds = np.searchsorted(ordered, firsts)
    sources, offsets, lengths = (np.empty(len(wanted), np.int64) for _ in range(3))
    for place, index in enumerate(indexes):
        here = slice(bounds[place], bounds[place + 1])
        if here.start < here.stop:
            records = ordered[here] - firsts[place]
            sources[order[here]] = place
            offsets[order[here]], lengths[order[here]] = index.offsets[records], index.lengths[records]
    return sources, offsets, lengths


def permutation(notes: int, seed: int, split: str) -> np.ndarray:
    """Return a uniform permutation of `range(notes)`: unsigned[notes], the same for the same arguments."""
    generator = np.random.Generator(np.random.PCG64([seed, nsynth.SPLITS.index(split)]))
    order = np.arange(notes, dtype=np.min_scalar_type(max(notes, 1 << 16)))
    generator.shuffle(order)  # in place, and in the same order whatever the type
    return order

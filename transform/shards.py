"""The files that the Transform step reads and writes for each shard."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tensorflow as tf

import nsynth


@dataclass(frozen=True)
class Split:
    """One split of one Examples artifact."""

    notes: str  # folder of its raw notes
    transformed: str  # folder to write
    analysed: bool

    @property
    def key(self) -> str:
        """Name of the split in a store, the same in every run, because an artifact's folder never changes."""
        return f"{os.path.basename(self.notes)}-{hashlib.sha256(self.notes.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Shard:
    """One file of raw notes and the files that are derived from it."""

    place: int  # among all shards of the step: sums are merged in this order
    notes: str  # TFRecord of raw notes
    middle: str  # spectrograms at the graph's waist
    beside: str  # what else passes there
    sums: str  # JSON of what the analyzers summed up
    transformed: str  # TFRecord of transformed notes
    analysed: bool

    @property
    def is_measured(self) -> bool:
        """Whether the first pass has processed it, in this run or an earlier one."""
        return all(tf.io.gfile.exists(path) for path in self.kept)

    @property
    def kept(self) -> tuple[str, ...]:
        """All files that the first pass writes."""
        return (self.middle, self.beside, self.sums)


def shards_of(splits: Sequence[Split], store: str) -> list[Shard]:
    """Return a shard for each input file; the first pass writes to the folder `store`."""
    return [Shard(place, *files) for place, files in enumerate(_files(splits, store))]


def _files(splits: Sequence[Split], store: str) -> Iterator[tuple[str, str, str, str, str, bool]]:
    for split in splits:
        notes = sorted(tf.io.gfile.glob(os.path.join(split.notes, "*")))
        if not notes:
            raise nsynth.UserError(f"{split.notes}: no files of notes. Run the ingest step again.")
        for i, path in enumerate(notes):
            of = f"{i:05}-of-{len(notes):05}"
            kept = os.path.join(store, split.key)
            yield (
                path,
                os.path.join(kept, f"middle-{of}"),
                os.path.join(kept, f"beside-{of}"),
                os.path.join(kept, f"sums-{of}"),
                os.path.join(split.transformed, f"transformed_examples-{of}"),
                split.analysed,
            )


def adopt(shards: Sequence[Shard], earlier: Sequence[Shard]) -> None:
    """Reuse the files of an earlier run, by links if the file system supports them, because files never change."""
    for shard, measured in zip(shards, earlier, strict=True):
        if measured.is_measured:
            tf.io.gfile.makedirs(os.path.dirname(shard.middle))
            for source, target in zip(measured.kept, shard.kept, strict=True):
                _link_or_copy(source, target)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        tf.io.gfile.copy(source, target, overwrite=True)

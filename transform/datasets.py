"""Which files the Transform step reads and writes, and what it finds already done."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf
from tensorflow_transform.beam import analyzer_cache
from tfx.utils import io_utils

import nsynth
from transform.shards import Shard


@dataclass(frozen=True)
class Dataset:
    """One split of one Examples artifact."""

    notes: str  # folder of its raw notes
    transformed: str  # folder to write
    analysed: bool
    middle: str = ""  # folder of what the upper half of the graph leaves
    measured: bool = False  # all of that lies there already

    @property
    def key(self) -> analyzer_cache.DatasetKey:
        """Name of the dataset in TFT's cache: the same in every run, as an artifact's folder never changes."""
        digest = hashlib.sha256(self.notes.encode()).hexdigest()[:16]
        return analyzer_cache.DatasetKey(f"{os.path.basename(self.notes)}-{digest}")

    def shards(self) -> list[Shard]:
        """Its files, each with its place in the result; the number of shards stays as it is."""
        notes = sorted(tf.io.gfile.glob(os.path.join(self.notes, "*")))
        if not notes:
            raise nsynth.UserError(
                f"{self.notes}: no files of notes. Let the ingest step write the split again."
            )
        of = [f"{i:05}-of-{len(notes):05}" for i in range(len(notes))]
        return [
            Shard(
                self.key.key,
                i,
                path,
                os.path.join(self.middle, f"middle-{of[i]}"),
                os.path.join(self.transformed, f"transformed_examples-{of[i]}"),
                self.analysed,
            )
            for i, path in enumerate(notes)
        ]


@dataclass(frozen=True)
class Store:
    """Folder where measured datasets are kept: TFT's cache of sums, and the middle files beside them."""

    root: str
    fingerprint: str  # of the graph's upper half: what another graph left is of no use

    def place(self, dataset: Dataset) -> Dataset:
        """The dataset, with the place where this store holds it."""
        middle = os.path.join(self.root, dataset.key.key, f"middle-{self.fingerprint}")
        placed = replace(dataset, middle=middle)
        done = all(tf.io.gfile.exists(shard.middle) for shard in placed.shards())
        if dataset.analysed:
            done = done and tf.io.gfile.exists(os.path.join(self.root, dataset.key.key, "MANIFEST"))
        return replace(placed, measured=done)

    def adopt(self, dataset: Dataset, earlier: "Store") -> Dataset:
        """Takes the dataset over from an earlier run's store if it was measured there."""
        found = earlier.place(dataset)
        if found.measured:
            _link_or_copy(
                os.path.join(earlier.root, dataset.key.key), os.path.join(self.root, dataset.key.key)
            )
        return self.place(dataset)


def plan(datasets: Sequence[Dataset], store: Store, earlier: Store | None) -> list[Dataset]:
    """Places every dataset in `store`, taking over what `earlier` holds."""
    return [store.adopt(dataset, earlier) if earlier else store.place(dataset) for dataset in datasets]


def _link_or_copy(source: str, target: str) -> None:
    """Files are never changed once written, so a link is as good as a copy where the file system has links."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        io_utils.copy_dir(source, target)

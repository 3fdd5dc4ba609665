"""Storage of a file's notes at the waist of the graph, between the two passes.

Spectrograms before normalization are stored as plain arrays, one note after the other, without serialization, copies or
checksums. They are in single precision: if they were rounded before normalization, a bin with little variation would
lose most of its precision. The other features that the lower half needs are in one tf.Example beside them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

_FLOAT = np.dtype("<f4")
_READ_BUFFER_BYTES = 1 << 20  # a larger buffer saves calls but hurts the core's cache


def numbers(spectrograms: np.ndarray) -> bytes:
    """Return the bytes of float32 [batch, ...] spectrograms, to be appended to the file."""
    return np.ascontiguousarray(spectrograms, _FLOAT).tobytes()


class Beside:
    """Collect the features of each note that the lower half needs besides the spectrogram: a few dozen bytes."""

    def __init__(self, names: Iterable[str]):
        """Collect these features, integers or bytes [batch]."""
        self._names = tuple(names)
        self._values: defaultdict[str, list[Any]] = defaultdict(list)

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Add the notes of a batch."""
        for name in self._names:
            self._values[name] += batch[name].tolist()

    def serialize(self) -> bytes:
        """Return all notes as one tf.Example."""
        example = tf.train.Example()
        for name, values in self._values.items():
            feature = example.features.feature[name]
            kind = feature.bytes_list if isinstance(values[0], bytes) else feature.int64_list
            kind.value.extend(values)
        return example.SerializeToString(deterministic=True)


def read(
    spectrograms: str, beside: str, types: Mapping[str, tf.DType], shape: Sequence[int], batch: int
) -> tf.data.Dataset:
    """Read a file's notes back, in batches.

    Args:
      spectrograms: file written by `numbers`.
      beside: file written by `Beside.serialize`.
      types: types of the features in `beside`.
      shape: shape of a spectrogram.
      batch: notes per batch.

    Returns:
      dataset of (string [batch], to be decoded by `decode`; features [batch] by name).

    Raises:
      tf.errors.DataLossError: the two files have different numbers of notes.
    """
    with tf.io.gfile.GFile(beside, "rb") as file:
        stored = {
            name: tf.io.FixedLenSequenceFeature([], kind, allow_missing=True) for name, kind in types.items()
        }
        features = tf.io.parse_single_example(file.read(), stored)
    note_bytes = int(np.prod(shape)) * _FLOAT.itemsize
    found = tf.io.gfile.stat(spectrograms).length
    for name, values in features.items():
        if len(values) * note_bytes != found:
            message = f"{found:,} bytes of spectrograms do not fit {len(values):,} notes of {name}"
            raise tf.errors.DataLossError(None, None, message)
    records = tf.data.FixedLengthRecordDataset(spectrograms, note_bytes, buffer_size=_READ_BUFFER_BYTES)
    return tf.data.Dataset.zip((records, tf.data.Dataset.from_tensor_slices(features))).batch(batch)


def decode(spectrograms: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Return spectrograms float32 [batch, *shape] of their bytes, string [batch]."""
    return tf.reshape(tf.io.decode_raw(spectrograms, tf.float32, little_endian=True), [-1, *shape])

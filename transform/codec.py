"""Storage format of transformed notes: a tf.Example whose spectrogram is one string of half-precision numbers.

Compared with a `FloatList`, this takes half the bytes and creates no Python object for each number. The other features
are plain int64 and bytes, so any tf.Example reader can inspect the files.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from transform import features
from transform.options import SpectrogramOptions

_HALF = np.dtype("<f2")


def encode(note: Mapping[str, Any]) -> bytes:
    """Serialize one transformed note deterministically.

    Args:
      note: the features of `transform.features`, without missing ones; LOG_MEL is a float array [frames, n_mels].

    Returns:
      a serialized tf.Example.
    """
    example = tf.train.Example()
    feature = example.features.feature
    log_mel = np.ascontiguousarray(note[features.LOG_MEL], _HALF)
    feature[features.LOG_MEL].bytes_list.value.append(log_mel.tobytes())
    for name in features.BYTES_FEATURES:
        feature[name].bytes_list.value.append(note[name])
    for name in features.INT_FEATURES:
        if note.get(name, features.ABSENT) != features.ABSENT:
            feature[name].int64_list.value.append(int(note[name]))
    return example.SerializeToString(deterministic=True)


def encode_batch(batch: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Serialize each note of a batch of transformed features [batch, ...]."""
    names = [
        name for name in (features.LOG_MEL, *features.BYTES_FEATURES, *features.INT_FEATURES) if name in batch
    ]
    for values in zip(*(batch[name] for name in names), strict=True):
        yield encode(dict(zip(names, values, strict=True)))


def feature_spec() -> dict[str, tf.io.FixedLenFeature]:
    """Return the parsing specification of a stored note; the spectrogram is still a string."""
    strings = (features.LOG_MEL, *features.BYTES_FEATURES)
    optional = features.OPTIONAL.values()
    return {
        **{name: tf.io.FixedLenFeature([], tf.string) for name in strings},
        features.LABEL_ID: tf.io.FixedLenFeature([], tf.int64),
        **{name: tf.io.FixedLenFeature([], tf.int64, features.ABSENT) for name in optional},
    }


def parse_batch(serialized: tf.Tensor, spectrogram: SpectrogramOptions) -> dict[str, tf.Tensor]:
    """Read stored notes back.

    Args:
      serialized: string [batch], written by `encode`.
      spectrogram: the options of the spectrograms.

    Returns:
      the features of `transform.features`; LOG_MEL as float32 [batch, frames, n_mels]; missing values are ABSENT.

    Raises:
      tf.errors.InvalidArgumentError: a feature is missing or a spectrogram has another size.
    """
    note = tf.io.parse_example(serialized, feature_spec())
    half = tf.io.decode_raw(note[features.LOG_MEL], tf.float16, little_endian=True)
    shape = [-1, spectrogram.frames, spectrogram.n_mels]
    note[features.LOG_MEL] = tf.cast(tf.reshape(half, shape), tf.float32)
    return note

"""How a batch of notes is stored at the waist of the graph, between the two passes: one tf.Example a batch.

Spectrograms not yet normalized are kept in full: rounding them before normalization would cost a bin that hardly
moves most of its precision.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_FLOAT = np.dtype("<f4")


def encode(batch: Mapping[str, np.ndarray]) -> bytes:
    """Serializes a batch: float arrays of any shape [batch, ...], integers and bytes [batch]."""
    example = tf.train.Example()
    for name, values in batch.items():
        feature = example.features.feature[name]
        if np.issubdtype(values.dtype, np.floating):
            feature.bytes_list.value.append(np.ascontiguousarray(values, _FLOAT).tobytes())
        elif np.issubdtype(values.dtype, np.integer):
            feature.int64_list.value.extend(values.tolist())
        else:
            feature.bytes_list.value.extend(values.tolist())
    return example.SerializeToString(deterministic=True)


def decode(serialized: tf.Tensor, spec: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Reads a batch back.

    Args:
      serialized: string [], as `encode` wrote it.
      spec: type of each feature; its shape begins with the unknown batch.

    Returns:
      the features, tensors of that type and shape.
    """
    stored = {
        name: tf.io.FixedLenSequenceFeature(
            [], tf.string if s.dtype.is_floating else s.dtype, allow_missing=True
        )
        for name, s in spec.items()
    }
    batch = tf.io.parse_single_example(serialized, stored)
    for name, s in spec.items():
        if s.dtype.is_floating:
            flat = tf.io.decode_raw(batch[name][0], s.dtype, little_endian=True)
            batch[name] = tf.reshape(flat, [-1, *s.shape[1:]])
    return batch

"""Writes tf.Examples and TFRecords without TensorFlow.

TensorFlow takes seconds to import and turns 64,000 floats into Python objects on their way into a protobuf. On the
wire they are just their little-endian bytes, so that a record is a copy of the array and a few bytes around it.
Formats: https://protobuf.dev/programming-guides/encoding, tensorflow/core/example/{example,feature}.proto,
tensorflow/core/lib/io/record_writer.h.
"""

import struct
from collections.abc import Mapping, Sequence

import google_crc32c
import numpy as np

Value = int | str | Sequence[int] | Sequence[str] | np.ndarray

# Field numbers of Feature, one for each kind of list.
BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3
CRC_MASK_DELTA = 0xA282EAD8


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Serializes a tf.Example.

    Args:
        features: a float32 array becomes a float list; integers, or a sequence of them, an int64 list; text, or a
            sequence of it, a bytes list in UTF-8. An empty sequence becomes an empty bytes list.
    """
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _feature(features[name]))) for name in sorted(features)
    )
    return _field(1, b"".join(entries))


def frame(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file: length, its checksum, the record, its checksum."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked_crc(length), record, _masked_crc(record)))


def _feature(value: Value) -> bytes:
    if isinstance(value, np.ndarray):
        return _field(FLOAT_LIST, _field(1, value.astype("<f4", copy=False).tobytes()))  # packed
    values = [value] if isinstance(value, int | str) else value
    numbers = [item for item in values if isinstance(item, int)]
    if numbers:
        return _field(INT64_LIST, _field(1, b"".join(map(_varint, numbers))))  # packed
    return _field(BYTES_LIST, b"".join(_field(1, str(item).encode()) for item in values))


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return b"".join((_varint(number << 3 | 2), _varint(len(payload)), payload))


def _varint(value: int) -> bytes:
    """A non-negative integer, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + CRC_MASK_DELTA) & 0xFFFFFFFF)

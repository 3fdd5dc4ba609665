"""tf.Example without TensorFlow: the same messages, built in a descriptor pool of their own.

Importing tensorflow takes seconds and hundreds of megabytes; reading an Example needs neither. Field
numbers: tensorflow/core/example/{example,feature}.proto. A test holds the two against each other.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import nsynth

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow"


def _field(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    kind: "_Field.Type.ValueType",
    type_name: str = "",
    repeated: bool = False,
) -> _Field:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    return message.field.add(name=name, number=number, type=kind, type_name=type_name or None, label=label)


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package=_PACKAGE, syntax="proto3")
    kinds = {"BytesList": _Field.TYPE_BYTES, "FloatList": _Field.TYPE_FLOAT, "Int64List": _Field.TYPE_INT64}
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(kinds.items(), start=1):
        _field(file.message_type.add(name=name), "value", 1, kind, repeated=True)
        member = name.removesuffix("List").lower() + "_list"
        _field(feature, member, number, _Field.TYPE_MESSAGE, f".{_PACKAGE}.{name}").oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, _Field.TYPE_STRING)
    _field(entry, "value", 2, _Field.TYPE_MESSAGE, f".{_PACKAGE}.Feature")
    _field(features, "feature", 1, _Field.TYPE_MESSAGE, f".{_PACKAGE}.Features.FeatureEntry", repeated=True)
    example = file.message_type.add(name="Example")
    _field(example, "features", 1, _Field.TYPE_MESSAGE, f".{_PACKAGE}.Features")
    return file


def _classes() -> tuple[Any, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    example, feature = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("Example", "Feature")
    )
    return example, feature


Example, Feature = _classes()
"""tf.train.Example and tf.train.Feature: byte for byte the same on the wire."""


def serialize(note: Mapping[str, Any]) -> bytes:
    """Return a note as the TFRecords of the dataset hold it.

    Args:
        note: values by the names of `nsynth.FEATURES`: a number, a text, a list, or an array of samples.
            Features that are not there are left out, as are names that the dataset does not have.

    Raises:
        TypeError: a value is not of its feature's type.
    """
    example = Example()
    for key, feature in nsynth.FEATURES.items():
        if key not in note:
            continue
        values = note[key] if isinstance(note[key], (list, np.ndarray)) else [note[key]]
        target = getattr(example.features.feature[key], f"{feature.kind}_list")
        target.SetInParent()
        try:
            if isinstance(values, np.ndarray):
                target.MergeFromString(_packed_floats(values))
            else:
                target.value.extend(value.encode() if isinstance(value, str) else value for value in values)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{key} is {str(note[key])[:60]}") from error
    return example.SerializeToString(deterministic=True)


def floats(float_list: Any) -> np.ndarray:
    """Return the values of a FloatList, float32[values], with no Python object for each: its wire form ends in them."""
    packed = float_list.SerializeToString()
    return np.frombuffer(packed, "<f4", offset=len(packed) - 4 * len(float_list.value))


def _packed_floats(samples: np.ndarray) -> bytes:
    """Return a serialized FloatList, made without a Python object for each sample."""
    packed = samples.astype("<f4").tobytes()
    length, octets = len(packed), bytearray()
    while length > 0x7F:
        octets.append(length & 0x7F | 0x80)
        length >>= 7
    octets.append(length)
    return b"\x0a" + bytes(octets) + packed

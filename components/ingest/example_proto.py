"""tf.Example without TensorFlow: the same messages, built in a descriptor pool of their own.

Importing tensorflow takes seconds and hundreds of megabytes; reading an Example needs neither. Field
numbers: tensorflow/core/example/{example,feature}.proto. A test holds the two against each other.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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


def _example_class() -> type:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


Example = _example_class()
"""tf.train.Example: byte for byte the same on the wire."""

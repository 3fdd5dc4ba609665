"""The schema of raw notes, derived from `nsynth.py` and the features that the data has.

Used by ExampleValidator (on statistics of all features except `audio`), Transform and Evaluator.
"""

from collections.abc import Iterable, Mapping

from tensorflow_metadata.proto.v0 import schema_pb2

import nsynth
from transform import features

_TYPES = {"int64": schema_pb2.INT, "float": schema_pb2.FLOAT, "bytes": schema_pb2.BYTES}
_ABSENT_NAME = b""


def make_schema(missing: Mapping[str, bool] | None = None) -> schema_pb2.Schema:
    """Make the schema.

    Args:
      missing: optional feature that some notes lack → whether all notes lack it. All notes have the other features.

    Returns:
      the schema, without features that all notes lack; features that some notes lack are optional.
    """
    missing = missing or {}
    schema = schema_pb2.Schema()
    representations = schema.tensor_representation_group[""].tensor_representation
    for name, feature in {**nsynth.FEATURES, **nsynth.SOUND_FEATURES}.items():
        if missing.get(name):
            continue
        _add(schema, name, feature, always=name not in missing)
        if feature.length is None or (name in missing and feature.length > 1):
            representations[name].varlen_sparse_tensor.column_name = name
            continue
        dense = representations[name].dense_tensor
        dense.column_name = name
        dense.shape.dim.extend(_dimensions(feature))
        if name in missing:
            _set_default(dense.default_value, feature)
    return schema


def missing_in(accounts: Iterable[Mapping[str, int]], used: int) -> dict[str, bool]:
    """Return optional features that some of the `used` notes lack → whether all lack it.

    Args:
      accounts: for each ingest, feature → number of notes that have it.
      used: number of notes of all ingests.
    """
    accounts = list(accounts)
    having = {key: sum(account[key] for account in accounts) for key in nsynth.OPTIONAL}
    return {key: not count for key, count in having.items() if count < used}


def _add(schema: schema_pb2.Schema, name: str, feature: nsynth.Feature, always: bool) -> None:
    added = schema.feature.add(name=name, type=_TYPES[feature.kind])
    if name == nsynth.AUDIO:
        # A number of values but no presence: there are no statistics of `audio`, and a required feature without
        # statistics would be reported as dropped. Ingest quarantines notes without it.
        added.value_count.min = added.value_count.max = nsynth.NOTE_SAMPLES
    elif feature.length is not None and always:
        added.presence.min_fraction, added.presence.min_count = 1.0, 1
        added.shape.dim.extend(_dimensions(feature))
        added.shape.SetInParent()
    elif feature.length is not None:
        added.value_count.min = added.value_count.max = feature.length
    if feature.names:
        schema.string_domain.add(name=name, value=feature.names)
        added.domain = name
    elif feature.kind == "int64":
        _limit(added.int_domain, feature, int)
    elif feature.kind == "float":
        _limit(added.float_domain, feature, float)
        added.float_domain.disallow_nan = added.float_domain.disallow_inf = True


def _limit(
    domain: schema_pb2.IntDomain | schema_pb2.FloatDomain, feature: nsynth.Feature, kind: type
) -> None:
    if feature.low is not None:
        domain.min = kind(feature.low)
    if feature.high is not None:
        domain.max = kind(feature.high)


def _dimensions(feature: nsynth.Feature) -> list[schema_pb2.FixedShape.Dim]:
    """Return the dimensions of a feature; a single value has none."""
    return [] if feature.length == 1 else [schema_pb2.FixedShape.Dim(size=feature.length)]


def _set_default(default: schema_pb2.TensorRepresentation.DefaultValue, feature: nsynth.Feature) -> None:
    if feature.kind == "bytes":
        default.bytes_value = _ABSENT_NAME
    elif feature.kind == "int64":
        default.int_value = features.ABSENT
    else:
        default.float_value = float(features.ABSENT)

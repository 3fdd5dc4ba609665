"""Notes as TensorFlow Datasets stores them (`nsynth/full`), turned into official ones.

Its features: `id` (the note's name), `audio`, `pitch`, `velocity`, `instrument/{label,family,source}` as numbers and
`qualities/<quality>` as 0 or 1. Source: tensorflow_datasets/datasets/nsynth.
"""

from typing import Any

import google_crc32c
from google.protobuf.message import DecodeError

import nsynth
from components.example_proto import Example, floats, serialize
from components.ingest.contract import ContractError, Reason, unknown

_ID = "id"
_LABEL, _FAMILY, _SOURCE = "instrument/label", "instrument/family", "instrument/source"


def is_tfds(data: bytes) -> bool:
    """Return whether a serialized tf.Example has the features of TensorFlow Datasets."""
    try:
        features = Example.FromString(data).features.feature
    except DecodeError:
        return False
    return _ID in features and _FAMILY in features


def official(data: bytes) -> bytes:
    """Return a note of TensorFlow Datasets as an official one.

    It does not keep the number of the note: the checksum of its name stands in its place.

    Raises:
        ContractError: a feature is missing or has the wrong type, or a number has no name.
    """
    try:
        example = Example.FromString(data)
    except DecodeError as error:
        raise ContractError(Reason.NOT_EXAMPLE, f"{len(data)} bytes that are not a valid protobuf") from error
    features = example.features.feature
    name = _value(features, _ID, "bytes")
    try:
        note_str = name.decode()
    except UnicodeDecodeError as error:
        raise ContractError(Reason.NOT_TEXT, f"{_ID} is {name[:40]!r}") from error
    try:
        return _official(features, note_str)
    except ContractError as error:
        error.note_str = note_str
        raise


def _official(features: Any, note_str: str) -> bytes:
    numbers = (nsynth.PITCH, nsynth.VELOCITY, _LABEL, _FAMILY, _SOURCE)
    number = {key: _value(features, key, "int64") for key in numbers}
    qualities = [_value(features, f"qualities/{quality}", "int64") for quality in nsynth.QUALITIES]
    return serialize({
        nsynth.NOTE: google_crc32c.value(note_str.encode()),
        nsynth.NOTE_STR: note_str,
        nsynth.INSTRUMENT: number[_LABEL],
        nsynth.INSTRUMENT_STR: note_str.rsplit("-", 2)[0],
        nsynth.PITCH: number[nsynth.PITCH],
        nsynth.VELOCITY: number[nsynth.VELOCITY],
        nsynth.SAMPLE_RATE: nsynth.SAMPLE_RATE_HZ,
        nsynth.QUALITIES_KEY: qualities,
        nsynth.QUALITIES_STR: [q for q, has in zip(nsynth.QUALITIES, qualities, strict=True) if has],
        nsynth.FAMILY: number[_FAMILY],
        nsynth.FAMILY_STR: _named(nsynth.LABEL, number[_FAMILY]),
        nsynth.SOURCE: number[_SOURCE],
        nsynth.SOURCE_STR: _named(nsynth.CATEGORIES[0], number[_SOURCE]),
        **({nsynth.AUDIO: floats(features[nsynth.AUDIO].float_list)} if nsynth.AUDIO in features else {}),
    })  # fmt: skip


def _value(features: Any, key: str, kind: str) -> Any:
    if key not in features:
        raise ContractError(Reason.MISSING_FEATURE, key)
    values = getattr(features[key], f"{kind}_list").value
    if len(values) != 1:
        found = features[key].WhichOneof("kind") or "empty"
        raise ContractError(Reason.WRONG_TYPE, f"{key} is {found}, expected one value in {kind}_list")
    return values[0]


def _named(category: nsynth.Category, number: int) -> str:
    if number not in range(len(category.names)):
        raise ContractError(unknown(category), str(number))
    return category.names[number]

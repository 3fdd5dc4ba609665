"""What makes a record a note of the dataset: every record is held against the contract here."""

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

import nsynth
from components.audio import SILENCE_BELOW
from components.example_proto import Example, floats

SAMPLE_LIMIT = 1 + 2.0**-15
"""Full scale plus the rounding of one 16-bit step."""

CATEGORIES = (nsynth.LABEL, *nsynth.CATEGORIES)


def unknown(category: nsynth.Category) -> str:
    """Return the reason for which a record is refused whose name or id the category does not have."""
    return f"unknown_{category.word}"


class Reason(StrEnum):
    """Why a record cannot be used. The value is its key in reports."""

    DATA_CRC = "data_crc"
    NOT_EXAMPLE = "not_example"
    MISSING_FEATURE = "missing_feature"
    WRONG_TYPE = "wrong_type"
    WRONG_LENGTH = "wrong_length"
    NOT_TEXT = "not_text"
    SAMPLE_RATE = "sample_rate"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    SILENT = "silent"
    NAMES_DISAGREE = "names_disagree"
    WAV = "wav"
    AUDIO = "audio"


WORDS: dict[str, str] = {
    Reason.DATA_CRC: "data damaged: its checksum does not hold",
    Reason.NOT_EXAMPLE: "not a tf.Example",
    Reason.MISSING_FEATURE: "a feature is missing",
    Reason.WRONG_TYPE: "a feature has the wrong type",
    Reason.WRONG_LENGTH: "a feature has the wrong number of values",
    Reason.NOT_TEXT: "a name is not UTF-8 text",
    Reason.SAMPLE_RATE: f"sample rate is not {nsynth.SAMPLE_RATE_HZ} Hz",
    Reason.NOT_FINITE: "audio holds NaN or infinity",
    Reason.OUT_OF_RANGE: "audio goes beyond [-1, 1]",
    Reason.SILENT: "audio is silent",
    Reason.NAMES_DISAGREE: "ids and names contradict each other",
    Reason.WAV: "the WAV file is missing or unreadable",
    Reason.AUDIO: "the audio file is missing or cannot be decoded",
    **{unknown(category): f"unknown {category.word}" for category in CATEGORIES},
    **{n.word: f"{n.word} is not in {n.values.start}-{n.values.stop - 1}" for n in nsynth.NUMBERS},
}
"""Reason → the same in plain words. Besides those of every dataset, each of its categories and numbers has one."""


class ContractError(Exception):
    """A record breaks the contract: `reason`, what was found, and the note's name as far as it could be read.

    Whoever read the record leaves its bytes in `raw`.
    """

    raw: bytes = b""
    file: str = ""
    """The file that is at fault, where it is not the one that lists it."""

    def __init__(self, reason: str, detail: str, note_str: str = "") -> None:
        super().__init__(f"{WORDS[reason]}: {detail}")
        self.reason = reason
        self.detail = detail
        self.note_str = note_str


class Note(NamedTuple):
    """A record that keeps the contract."""

    note_str: str
    group: str
    attributes: dict[str, int]
    """Word of a category or number that the note has → the id or the value."""
    lacks: tuple[str, ...]
    """Optional features that it does not have."""
    audio: np.ndarray  # float32[nsynth.NOTE_SAMPLES]
    labels: bytes
    """The record without its sound and without features that the dataset does not have."""


def check(record: bytes, complete: bool = True) -> Note:
    """Hold a serialized tf.Example against the contract.

    Args:
        record: the serialized Example.
        complete: whether it comes from the dataset itself: it then has all features, and its names follow the
            dataset's own rule.

    Raises:
        ContractError: the first thing that is wrong with it.
    """
    try:
        example = Example.FromString(record)
    except DecodeError as error:
        raise ContractError(
            Reason.NOT_EXAMPLE, f"{len(record)} bytes that are not a valid protobuf"
        ) from error
    features = example.features.feature
    try:
        return _check_features(example, complete)
    except ContractError as error:
        error.note_str = _name(features)
        raise


def _check_features(example: Any, complete: bool) -> Note:
    features = example.features.feature
    lacks = () if complete else tuple(key for key in nsynth.OPTIONAL if key not in features)
    for key, wanted in nsynth.FEATURES.items():
        if key not in lacks:
            _check_shape(features, key, wanted)
    unread = (nsynth.AUDIO, *nsynth.EXTRAS)
    values = {key: _first(features, key) for key in nsynth.FEATURES if key in features and key not in unread}
    if values[nsynth.SAMPLE_RATE] != nsynth.SAMPLE_RATE_HZ:
        raise ContractError(Reason.SAMPLE_RATE, f"{values[nsynth.SAMPLE_RATE]} Hz")
    attributes = {}
    for number in nsynth.NUMBERS:
        if number.key in values:
            attributes[number.word] = values[number.key]
            if values[number.key] not in number.values:
                raise ContractError(number.word, f"{number.word} {values[number.key]}")
    for category in CATEGORIES:
        if category.id_key in values or category.name_key in values:
            attributes[category.word] = _id(category, values)
    if complete and (fault := nsynth.misnamed(values)):
        raise ContractError(Reason.NAMES_DISAGREE, fault)
    audio = floats(features[nsynth.AUDIO].float_list)
    _check_audio(audio)
    for key in [key for key in features if key == nsynth.AUDIO or key not in nsynth.FEATURES]:
        del features[key]
    labels = example.SerializeToString(deterministic=True)
    return Note(values[nsynth.NOTE_STR], values[nsynth.GROUP.key], attributes, lacks, audio, labels)


def _first(features: Any, key: str) -> Any:
    """Return the first value of a feature, as text if it is bytes; None if it has none.

    Raises:
        ContractError: the text is not UTF-8.
    """
    values = getattr(features[key], f"{nsynth.FEATURES[key].kind}_list").value
    value = values[0] if values else None
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ContractError(Reason.NOT_TEXT, f"{key} is {value[:40]!r}") from error


def _id(category: nsynth.Category, values: dict[str, Any]) -> int:
    """Return the id of the category's name, which name and id have to agree on."""
    name, number = values.get(category.name_key), values.get(category.id_key, -1)
    if name not in category.names:
        raise ContractError(unknown(category), f"{category.name_key} {str(name)[:40]!r}")
    if number not in range(len(category.names)):
        raise ContractError(unknown(category), f"{category.id_key} {number}")
    if category.names[number] != name:
        raise ContractError(
            Reason.NAMES_DISAGREE,
            f"{category.id_key} {number} is {category.names[number]}, {category.name_key} says {name}",
        )
    return number


def _check_shape(features: Any, key: str, wanted: nsynth.Feature) -> None:
    if key not in features:
        raise ContractError(Reason.MISSING_FEATURE, key)
    feature = features[key]
    found = feature.WhichOneof("kind")
    if found is None and wanted.length is None:
        return  # an empty list may be written as no list at all
    if found != f"{wanted.kind}_list":
        raise ContractError(Reason.WRONG_TYPE, f"{key} is {found or 'empty'}, expected {wanted.kind}_list")
    values = len(getattr(feature, found).value)
    if wanted.length is not None and values != wanted.length:
        raise ContractError(Reason.WRONG_LENGTH, f"{key} has {values:,} values, expected {wanted.length:,}")


def _check_audio(audio: np.ndarray) -> None:
    lowest, highest = float(audio.min()), float(audio.max())
    peak = max(-lowest, highest)
    if not np.isfinite(lowest + highest):
        bad = int(np.count_nonzero(~np.isfinite(audio)))
        raise ContractError(Reason.NOT_FINITE, f"{bad:,} samples")
    if peak > SAMPLE_LIMIT:
        raise ContractError(Reason.OUT_OF_RANGE, f"peak {peak:.6g}")
    if peak < SILENCE_BELOW:
        raise ContractError(Reason.SILENT, f"peak {peak:.3g}")


def _name(features: Any) -> str:
    if nsynth.NOTE_STR not in features:
        return ""
    values = features[nsynth.NOTE_STR].bytes_list.value
    return values[0][:100].decode(errors="replace") if values else ""

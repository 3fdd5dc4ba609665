"""What makes a record an NSynth note: every record is held against the dataset's contract here."""

import re
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

import nsynth
from components.audio import SILENCE_BELOW
from components.example_proto import Example, floats

SAMPLE_LIMIT = 1 + 2.0**-15
"""Full scale plus the rounding of one 16-bit step."""

_INSTRUMENT = re.compile(
    rf"(?P<family>{'|'.join(nsynth.FAMILIES)})_(?P<source>{'|'.join(nsynth.SOURCES)})_[0-9]{{3}}"
)


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
    UNKNOWN_FAMILY = "unknown_family"
    UNKNOWN_SOURCE = "unknown_source"
    PITCH = "pitch"
    VELOCITY = "velocity"
    NAMES_DISAGREE = "names_disagree"
    WAV = "wav"

    @property
    def words(self) -> str:
        """The reason in plain words."""
        return _WORDS[self]


_WORDS = {
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
    Reason.UNKNOWN_FAMILY: "unknown instrument family",
    Reason.UNKNOWN_SOURCE: "unknown instrument source",
    Reason.PITCH: "pitch is no MIDI note (0-127)",
    Reason.VELOCITY: "velocity is no MIDI velocity (0-127)",
    Reason.NAMES_DISAGREE: "ids and names contradict each other",
    Reason.WAV: "the WAV file is missing or unreadable",
}


class ContractError(Exception):
    """A record breaks the contract: `reason`, what was found, and the note's name as far as it could be read.

    Whoever read the record leaves its bytes in `raw`.
    """

    raw: bytes = b""

    def __init__(self, reason: Reason, detail: str, note_str: str = "") -> None:
        super().__init__(f"{reason.words}: {detail}")
        self.reason = reason
        self.detail = detail
        self.note_str = note_str


class Note(NamedTuple):
    """A record that keeps the contract."""

    note_str: str
    instrument_str: str
    family: int
    source: int
    pitch: int
    velocity: int
    audio: np.ndarray  # float32[64000]


def check(record: bytes) -> Note:
    """Hold a serialized tf.Example against the contract.

    Raises:
        ContractError: the first thing that is wrong with it.
    """
    try:
        example = Example.FromString(record)
    except DecodeError as error:
        raise ContractError(Reason.NOT_EXAMPLE, f"{len(record)} bytes that protobuf refuses") from error
    features = example.features.feature
    try:
        return _check_features(features)
    except ContractError as error:
        error.note_str = _name(features)
        raise


def _check_features(features: Any) -> Note:
    for key, wanted in nsynth.NSYNTH_FEATURES.items():
        _check_shape(features, key, wanted)
    text = {key: _text(features, key) for key in _TEXT_KEYS}
    number = {key: features[key].int64_list.value[0] for key in _NUMBER_KEYS}
    if number[nsynth.SAMPLE_RATE] != nsynth.SAMPLE_RATE_HZ:
        raise ContractError(Reason.SAMPLE_RATE, f"{number[nsynth.SAMPLE_RATE]} Hz")
    if number[nsynth.PITCH] not in nsynth.PITCHES:
        raise ContractError(Reason.PITCH, f"pitch {number[nsynth.PITCH]}")
    if number[nsynth.VELOCITY] not in nsynth.VELOCITIES:
        raise ContractError(Reason.VELOCITY, f"velocity {number[nsynth.VELOCITY]}")
    _check_names(text, number)
    audio = floats(features[nsynth.AUDIO].float_list)
    _check_audio(audio)
    return Note(
        note_str=text[nsynth.NOTE_STR],
        instrument_str=text[nsynth.INSTRUMENT_STR],
        family=number[nsynth.FAMILY],
        source=number[nsynth.SOURCE],
        pitch=number[nsynth.PITCH],
        velocity=number[nsynth.VELOCITY],
        audio=audio,
    )


_TEXT_KEYS = (nsynth.NOTE_STR, nsynth.INSTRUMENT_STR, nsynth.FAMILY_STR, nsynth.SOURCE_STR)
_NUMBER_KEYS = (nsynth.SAMPLE_RATE, nsynth.PITCH, nsynth.VELOCITY, nsynth.FAMILY, nsynth.SOURCE)


def _check_shape(features: Any, key: str, wanted: nsynth.Feature) -> None:
    if key not in features:
        raise ContractError(Reason.MISSING_FEATURE, key)
    feature = features[key]
    found = feature.WhichOneof("kind")
    if found is None and wanted.length is None:
        return  # an empty list may be written as no list at all
    if found != f"{wanted.kind}_list":
        raise ContractError(Reason.WRONG_TYPE, f"{key} is {found or 'empty'}, wanted {wanted.kind}_list")
    values = len(getattr(feature, found).value)
    if wanted.length is not None and values != wanted.length:
        raise ContractError(Reason.WRONG_LENGTH, f"{key} has {values:,} values, wanted {wanted.length:,}")


def _text(features: Any, key: str) -> str:
    value = features[key].bytes_list.value[0]
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ContractError(Reason.NOT_TEXT, f"{key} is {value[:40]!r}") from error


def _check_names(text: dict[str, str], number: dict[str, int]) -> None:
    for names, key, key_str, reason in (
        (nsynth.FAMILIES, nsynth.FAMILY, nsynth.FAMILY_STR, Reason.UNKNOWN_FAMILY),
        (nsynth.SOURCES, nsynth.SOURCE, nsynth.SOURCE_STR, Reason.UNKNOWN_SOURCE),
    ):
        if text[key_str] not in names:
            raise ContractError(reason, f"{key_str} {text[key_str][:40]!r}")
        if number[key] not in range(len(names)):
            raise ContractError(reason, f"{key} {number[key]}")
        if names[number[key]] != text[key_str]:
            raise ContractError(
                Reason.NAMES_DISAGREE,
                f"{key} {number[key]} is {names[number[key]]}, {key_str} says {text[key_str]}",
            )
    instrument = text[nsynth.INSTRUMENT_STR]
    parts = _INSTRUMENT.fullmatch(instrument)
    if not parts or (parts["family"], parts["source"]) != (text[nsynth.FAMILY_STR], text[nsynth.SOURCE_STR]):
        wanted = f"{text[nsynth.FAMILY_STR]}_{text[nsynth.SOURCE_STR]}_ and 3 digits"
        raise ContractError(Reason.NAMES_DISAGREE, f"instrument_str is {instrument[:60]!r}, wanted {wanted}")
    note = f"{instrument}-{number[nsynth.PITCH]:03d}-{number[nsynth.VELOCITY]:03d}"
    if text[nsynth.NOTE_STR] != note:
        raise ContractError(
            Reason.NAMES_DISAGREE, f"note_str is {text[nsynth.NOTE_STR][:60]!r}, wanted {note}"
        )


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

"""Each way of breaking the contract is found and named; what keeps it passes as protobuf reads it."""

from typing import Any

import numpy as np
import pytest

import nsynth
from benchmarks.synthetic import make_note
from components.example_proto import Example, serialize
from components.ingest.contract import ContractError, Reason, check


@pytest.fixture
def note() -> dict[str, Any]:
    return make_note(np.random.default_rng(3), family=2, source=1, number=7, pitch=60)


def sample(value: float) -> np.ndarray:
    audio = np.full(nsynth.NOTE_SAMPLES, 0.25, np.float32)
    audio[1234] = value
    return audio


BROKEN = [
    (Reason.SAMPLE_RATE, {nsynth.SAMPLE_RATE: 44_100}),
    (Reason.WRONG_LENGTH, {nsynth.AUDIO: np.full(63_999, 0.1, np.float32)}),
    (Reason.WRONG_LENGTH, {nsynth.AUDIO: np.full(64_001, 0.1, np.float32)}),
    (Reason.WRONG_LENGTH, {nsynth.QUALITIES_KEY: [0] * 9}),
    (Reason.WRONG_LENGTH, {nsynth.PITCH: [60, 61]}),
    (Reason.NOT_FINITE, {nsynth.AUDIO: sample(np.nan)}),
    (Reason.NOT_FINITE, {nsynth.AUDIO: sample(-np.inf)}),
    (Reason.OUT_OF_RANGE, {nsynth.AUDIO: sample(1.001)}),
    (Reason.OUT_OF_RANGE, {nsynth.AUDIO: sample(-1.001)}),
    (Reason.SILENT, {nsynth.AUDIO: np.zeros(64_000, np.float32)}),
    (Reason.SILENT, {nsynth.AUDIO: np.full(64_000, 1e-5, np.float32)}),
    ("unknown_family", {nsynth.FAMILY_STR: "kazoo"}),
    ("unknown_family", {nsynth.FAMILY: 11}),
    ("unknown_family", {nsynth.FAMILY: -1}),
    ("unknown_source", {nsynth.SOURCE_STR: "sampled"}),
    ("unknown_source", {nsynth.SOURCE: 3}),
    ("pitch", {nsynth.PITCH: 128}),
    ("pitch", {nsynth.PITCH: -1}),
    ("velocity", {nsynth.VELOCITY: 128}),
    (Reason.NAMES_DISAGREE, {nsynth.FAMILY: 3}),
    (Reason.NAMES_DISAGREE, {nsynth.SOURCE: 0}),
    (Reason.NAMES_DISAGREE, {nsynth.INSTRUMENT_STR: "bass_electronic_007"}),
    (Reason.NAMES_DISAGREE, {nsynth.INSTRUMENT_STR: "flute_acoustic_007"}),
    (Reason.NAMES_DISAGREE, {nsynth.INSTRUMENT_STR: "flute_electronic_7"}),
    (Reason.NAMES_DISAGREE, {nsynth.INSTRUMENT_STR: "flute_electronic_007\n"}),
    (Reason.NAMES_DISAGREE, {nsynth.NOTE_STR: "flute_electronic_007-061-100"}),
]


@pytest.mark.parametrize(("reason", "change"), BROKEN, ids=lambda value: str(value)[:40])
def test_a_broken_note_is_refused_with_its_reason(reason: Reason, change: dict, note: dict[str, Any]) -> None:
    with pytest.raises(ContractError) as caught:
        check(serialize(note | change))
    assert caught.value.reason == reason
    assert caught.value.note_str == (note | change)[nsynth.NOTE_STR]
    assert caught.value.detail


@pytest.mark.parametrize("key", list(nsynth.FEATURES))
def test_a_missing_feature_is_named(key: str, note: dict[str, Any]) -> None:
    del note[key]
    with pytest.raises(ContractError, match=f"missing: {key}$") as caught:
        check(serialize(note))
    assert caught.value.reason == Reason.MISSING_FEATURE


@pytest.mark.parametrize("key", [key for key in nsynth.FEATURES if key != nsynth.QUALITIES_STR])
def test_a_feature_of_another_type_is_named(key: str, note: dict[str, Any]) -> None:
    example = Example.FromString(serialize(note))
    feature = example.features.feature[key]
    if nsynth.FEATURES[key].kind == "bytes":
        feature.int64_list.value.append(1)
    else:
        feature.bytes_list.value.append(b"1")
    with pytest.raises(ContractError, match=key) as caught:
        check(example.SerializeToString())
    assert caught.value.reason == Reason.WRONG_TYPE


def test_names_must_be_text(note: dict[str, Any]) -> None:
    with pytest.raises(ContractError) as caught:
        check(serialize(note | {nsynth.NOTE_STR: b"\xff\xfe"}))
    assert caught.value.reason == Reason.NOT_TEXT


@pytest.mark.parametrize("record", [b"no protobuf at all", b"\x0a\xff", bytes(20)])
def test_what_is_no_example_is_refused(record: bytes) -> None:
    with pytest.raises(ContractError) as caught:
        check(record)
    assert caught.value.reason == Reason.NOT_EXAMPLE


def test_an_empty_record_misses_its_features() -> None:
    with pytest.raises(ContractError) as caught:
        check(b"")
    assert caught.value.reason == Reason.MISSING_FEATURE


@pytest.mark.parametrize("peak", [1.0, -1.0, 1 + 2.0**-15, 2.0**-15])
def test_full_scale_and_one_step_are_good(peak: float, note: dict[str, Any]) -> None:
    audio = np.zeros(64_000, np.float32)
    audio[5] = peak
    assert check(serialize(note | {nsynth.AUDIO: audio})).audio[5] == np.float32(peak)


@pytest.mark.parametrize("pitch", [0, 9, 119, 127])
def test_pitches_outside_of_a_piano_are_good(pitch: int) -> None:
    assert check(serialize(make_note(np.random.default_rng(0), 0, pitch=pitch))).attributes["pitch"] == pitch


@pytest.mark.slow
def test_the_note_is_what_tensorflow_reads(note: dict[str, Any]) -> None:
    import tensorflow as tf

    record = serialize(note)
    theirs = tf.train.Example.FromString(record).features.feature
    ours = check(record)
    np.testing.assert_array_equal(ours.audio, np.array(theirs["audio"].float_list.value, np.float32))
    np.testing.assert_array_equal(ours.audio, note[nsynth.AUDIO])
    assert ours.note_str.encode() == theirs["note_str"].bytes_list.value[0]
    assert (ours.attributes["family"], ours.attributes["source"], ours.attributes["pitch"]) == (2, 1, 60)
    assert set(theirs) == set(nsynth.FEATURES)


def test_unpacked_and_split_floats_are_read_as_protobuf_does(note: dict[str, Any]) -> None:
    """Audio in two halves under the same key is the second half; written value by value it is the same audio."""
    audio = note.pop(nsynth.AUDIO)
    unpacked = b"".join(b"\x0d" + value.tobytes() for value in audio)
    entry = _entry(nsynth.AUDIO.encode(), _field(2, unpacked))
    record = serialize(note) + _field(1, _field(1, entry))
    np.testing.assert_array_equal(check(record).audio, audio)
    half = _entry(nsynth.AUDIO.encode(), _field(2, unpacked[: len(unpacked) // 2]))
    with pytest.raises(ContractError) as caught:
        check(record + _field(1, _field(1, half)))
    assert caught.value.reason == Reason.WRONG_LENGTH


def _entry(key: bytes, feature: bytes) -> bytes:
    return _field(1, key) + _field(2, feature)


def _field(number: int, content: bytes) -> bytes:
    length, octets = len(content), bytearray([number << 3 | 2])
    while length > 0x7F:
        octets.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(octets) + bytes([length]) + content

import numpy as np
import pytest
import tensorflow as tf

from transform import codec, features
from transform.options import SpectrogramOptions

pytestmark = pytest.mark.slow

OPTIONS = SpectrogramOptions(n_mels=16, hop_length=1024)


def note(seed: int = 0) -> dict:
    values = np.random.default_rng(seed).standard_normal((OPTIONS.frames, OPTIONS.n_mels)).astype(np.float32)
    return {
        features.LOG_MEL: values,
        features.LABEL_ID: 4,
        features.OPTIONAL["source"]: 1,
        features.OPTIONAL["pitch"]: 60,
        features.OPTIONAL["velocity"]: 127,
        features.GROUP: b"keyboard_electronic_001",
        features.NOTE: b"keyboard_electronic_001-060-127",
    }


def test_what_is_stored_comes_back():
    notes = [note(seed) for seed in range(3)]
    batch = codec.parse_batch(tf.constant([codec.encode(n) for n in notes]), OPTIONS)
    assert batch[features.LOG_MEL].dtype == tf.float32
    assert set(batch) == set(notes[0])
    for name in notes[0]:
        expected = np.stack([n[name] for n in notes])
        if name == features.LOG_MEL:
            expected = expected.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(batch[name].numpy(), expected)


def test_half_precision_costs_less_than_one_part_in_two_thousand():
    """Normalized values lie within a few units of zero, where half precision keeps 11 significant bits."""
    exact = note()[features.LOG_MEL]
    stored = codec.parse_batch(tf.constant([codec.encode(note())]), OPTIONS)[features.LOG_MEL].numpy()[0]
    assert np.all(np.abs(stored - exact) <= np.abs(exact) * 2**-11 + 2**-24)


def test_the_same_note_gives_the_same_bytes_whatever_the_order_of_its_features():
    forward, backward = note(), dict(reversed(note().items()))
    assert codec.encode(forward) == codec.encode(backward)


def test_a_record_is_little_more_than_its_spectrogram():
    assert 0 < len(codec.encode(note())) - OPTIONS.bytes_per_note < 256


def test_a_spectrogram_of_other_options_is_refused():
    other = SpectrogramOptions(n_mels=17, hop_length=1024)
    with pytest.raises(tf.errors.InvalidArgumentError):
        codec.parse_batch(tf.constant([codec.encode(note())]), other)


def test_the_spectrogram_is_little_endian_whatever_the_machine():
    big_endian = {**note(), features.LOG_MEL: note()[features.LOG_MEL].astype(">f4")}
    assert codec.encode(big_endian) == codec.encode(note())

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from corpus.tfrecord import encode_example, frame

INTEGERS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5)
TEXTS = st.lists(st.text(max_size=200), max_size=5)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=50)


def _feature(value):
    if isinstance(value, np.ndarray):
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))
    if value and isinstance(value[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=value))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode() for text in value]))


@given(
    st.dictionaries(
        st.text(min_size=1), INTEGERS | TEXTS | FLOATS.map(lambda v: np.array(v, np.float32)), max_size=5
    )
)
def test_an_encoded_example_reads_as_the_one_tensorflow_makes(features):
    expected = tf.train.Example(
        features=tf.train.Features(feature={name: _feature(value) for name, value in features.items()})
    )
    assert tf.train.Example.FromString(encode_example(features)) == expected


def test_scalars_are_lists_of_one():
    assert encode_example({"a": 3, "b": "x"}) == encode_example({"b": ["x"], "a": [3]})


def test_a_long_example_is_byte_for_byte_tensorflows():
    audio = np.linspace(-1, 1, 64_000, dtype=np.float32)
    expected = tf.train.Example(
        features=tf.train.Features(feature={"audio": _feature(audio), "pitch": _feature([48])})
    )
    assert encode_example({"pitch": 48, "audio": audio}) == expected.SerializeToString(deterministic=True)


@pytest.mark.parametrize("length", [0, 1, 300_000])
def test_framed_records_are_what_tensorflow_writes(tmp_path, length):
    record = np.random.default_rng(0).bytes(length)
    theirs = tmp_path / "theirs.tfrecord"
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        writer.write(record)
        writer.write(record)
    assert theirs.read_bytes() == 2 * frame(record)

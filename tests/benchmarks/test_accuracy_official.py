"""The look at the official test split: right figures, and no look goes unnoticed."""

import json

import pytest
import tensorflow as tf
from click.testing import CliRunner

import nsynth
from benchmarks import accuracy_official


class Velocity(tf.Module):
    """A stand-in for a model: takes the velocity of a note for its family."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer(self, examples):
        spec = {nsynth.VELOCITY: tf.io.FixedLenFeature([], tf.int64)}
        velocity = tf.io.parse_example(examples, spec)[nsynth.VELOCITY]
        return {"probabilities": tf.one_hot(velocity, len(nsynth.FAMILIES))}


def note(family: int, answer: int, instrument: int) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    for name, value in (
        (nsynth.FAMILY, family),
        (nsynth.SOURCE, 0),
        (nsynth.PITCH, 60),
        (nsynth.VELOCITY, answer),
    ):
        feature[name].int64_list.value.append(value)
    for name in (nsynth.INSTRUMENT_STR, nsynth.NOTE_STR):
        feature[name].bytes_list.value.append(f"{nsynth.FAMILIES[family]}_{instrument}".encode())
    return example.SerializeToString()


@pytest.fixture
def command(tmp_path):
    """Arguments: a model, and a test split of two families in which one note of four is mistaken."""
    module = Velocity()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": module.answer})
    with tf.io.TFRecordWriter(str(tmp_path / "test.tfrecord")) as writer:
        for family, answer, instrument in [
            (0, 0, 0),
            (0, 0, 0),
            (0, 0, 1),
            (3, 0, 2),
            (3, 3, 3),
            (0, 0, 4),
        ] * 2:
            writer.write(note(family, answer, instrument))
    return [str(tmp_path / "1"), str(tmp_path / "test.tfrecord"), "--looks", str(tmp_path / "looks.json")]


def test_micro_and_macro_are_told_and_every_look_is_counted(command, tmp_path):
    first = CliRunner().invoke(accuracy_official.main, command)
    assert first.exit_code == 0, first.output
    look = json.loads((tmp_path / "looks.json").read_text())[0]
    assert look["accuracy"]["value"] == pytest.approx(10 / 12)
    assert look["macro_recall"]["value"] == pytest.approx((1 + 0.5) / 2)
    assert look["accuracy"]["low"] < 10 / 12 < look["accuracy"]["high"]
    assert (look["notes"], look["instruments"]) == (12, 5)
    assert "synth_lead" in look["absent"]
    assert "Look number 1" in first.output
    again = CliRunner().invoke(accuracy_official.main, command)
    assert "Look number 2" in again.output
    assert "no independent test" in again.output
    assert len(json.loads((tmp_path / "looks.json").read_text())) == 2

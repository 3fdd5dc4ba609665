"""The look at the test split: right figures, of notes in any form, and no look goes unnoticed."""

import json

import pytest
import tensorflow as tf
from click.testing import CliRunner

import nsynth
from benchmarks.synthetic import make_notes
from components import storage
from components.registry import Registry
from components.version import Record, model_digest
from pipeline.cli import main
from pipeline.evaluate import NOTED, evaluate, looks, looks_at
from tests.components.ingest.conftest import write_jsonwav, write_tfrecord

pytestmark = pytest.mark.slow


class Velocity(tf.Module):
    """A stand-in for a model: takes the velocity of a note for its family."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer(self, examples):
        spec = {nsynth.VELOCITY: tf.io.FixedLenFeature([], tf.int64)}
        velocity = tf.io.parse_example(examples, spec)[nsynth.VELOCITY]
        return {"probabilities": tf.one_hot(velocity, 11)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("model") / "1")
    module = Velocity()
    tf.saved_model.save(module, folder, signatures={"serving_default": module.answer})
    return folder


@pytest.fixture
def registry(model, tmp_path):
    registry = Registry(tmp_path / "workspace" / "models")
    record = Record(digest=model_digest(model))
    registry.publish(lambda folder: storage.copy_folder(model, folder), record)
    return registry


@pytest.fixture(scope="module")
def test_notes():
    """44 notes of 11 instruments; the stand-in takes the last family's for the first's."""
    made = make_notes(44)
    for note in made:
        note[nsynth.VELOCITY] = note[nsynth.FAMILY] % 10
        name = note[nsynth.INSTRUMENT_STR]
        note[nsynth.NOTE_STR] = f"{name}-{note[nsynth.PITCH]:03d}-{note[nsynth.VELOCITY]:03d}"
    return made


@pytest.mark.parametrize(
    ("name", "write"), [("nsynth-test.tfrecord", write_tfrecord), ("nsynth-test", write_jsonwav)]
)
def test_accuracy_and_macro_recall_in_any_form(name, write, registry, test_notes, tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / name, test_notes)
    look, is_new = evaluate(registry, registry.serving(), str(tmp_path / "data"), tmp_path)
    assert is_new
    assert look["accuracy"]["value"] == pytest.approx(10 / 11)
    assert look["macro_recall"]["value"] == pytest.approx(10 / 11)
    assert look["accuracy"]["low"] < 10 / 11 <= look["accuracy"]["high"]
    assert (look["notes"], look["instruments"], look["refused"]) == (44, 11, {})


def test_a_note_that_breaks_the_contract_is_left_out_and_counted(registry, test_notes, tmp_path):
    silent = {**test_notes[0], nsynth.AUDIO: 0 * test_notes[0][nsynth.AUDIO]}
    path = write_tfrecord(tmp_path / "nsynth-test.tfrecord", [silent, *test_notes[1:4]])
    look, _ = evaluate(registry, registry.serving(), str(path), tmp_path)
    assert (look["notes"], look["refused"]) == (3, {"silent": 1})


def test_a_second_look_shows_the_first_and_another_model_is_told_to_be_late(registry, test_notes, tmp_path):
    path = str(write_tfrecord(tmp_path / "nsynth-test.tfrecord", test_notes[:8]))
    first, _ = evaluate(registry, registry.serving(), path, tmp_path)
    assert evaluate(registry, registry.serving(), path, tmp_path) == (first, False)
    other = registry.publish(
        lambda folder: (
            storage.copy_folder(registry.serving().path, folder),
            storage.write_bytes(f"{folder}/assets.extra/more", b"another model"),
        ),
        Record(),
    )
    look, is_new = evaluate(registry, other, path, tmp_path)
    assert (is_new, look["number"]) == (True, 2)
    assert len(looks(registry.destination)) == 2
    assert looks_at(other, registry.destination) == [look]


def test_a_folder_without_test_notes_is_told(registry, test_notes, tmp_path):
    path = write_tfrecord(tmp_path / "nsynth-valid.tfrecord", test_notes[:4])
    with pytest.raises(nsynth.UserError, match=r"no test split: fetch it with `nsynth download"):
        evaluate(registry, registry.serving(), str(path), tmp_path)


def call(*arguments):
    result = CliRunner().invoke(main.cli, arguments, obj={"verbose": False}, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def test_the_command_and_the_models_tell_of_the_look(registry, test_notes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = str(write_tfrecord(tmp_path / "nsynth-test.tfrecord", test_notes[:8]))
    assert "accuracy      100.0% (95% interval" in call("evaluate", "--data", path)
    assert "nothing was measured again" in call("evaluate", "--data", path)
    assert json.loads(call("evaluate", "--data", path, "--json"))["notes"] == 8
    shown = " ".join(call("models", "show").split())
    assert "of 8 test notes" in shown
    assert (tmp_path / "workspace" / "models" / NOTED).exists()
    assert [version.number for version in registry.versions()] == [registry.serving().number]
    assert registry.faults() == []

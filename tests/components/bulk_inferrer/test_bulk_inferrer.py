"""Answers for many notes at once: each note once, the model's own answers, no samples, nothing without a blessing."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

import nsynth
from components.bulk_inferrer.component import BulkInferrer
from components.bulk_inferrer.executor import BulkInferExecutor
from tests.components.conftest import make_artifact, write_notes

pytestmark = pytest.mark.slow

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


@pytest.fixture
def infer(new_artifact, good_model):
    """Runs the executor as TFX would; returns the folder of its output."""

    def run(examples, blessed: int = 1) -> Path:
        channels = {
            "examples": types.Channel(standard_artifacts.Examples),
            "model": types.Channel(standard_artifacts.Model),
            "model_blessing": types.Channel(standard_artifacts.ModelBlessing),
        }
        properties = dict(BulkInferrer(**channels).spec.exec_properties)
        model, answers = new_artifact("Model", "model"), new_artifact("Examples", "answers")
        model.uri = str(good_model)
        BulkInferExecutor(base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=[RUNNER])).Do(
            {
                "examples": [examples],
                "model": [model],
                "model_blessing": [new_artifact("ModelBlessing", "blessing", blessed=blessed)],
            },
            {"output_examples": [answers]},
            properties,
        )
        return Path(answers.uri)

    return run


def read(folder: Path) -> list[tf.train.Example]:
    """All notes, in the order of their files."""
    files = sorted(str(path) for path in folder.iterdir())
    return [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(files)]


def value(example: tf.train.Example, name: str):
    feature = example.features.feature[name]
    return list(getattr(feature, feature.WhichOneof("kind")).value)


def test_every_note_is_answered_once_as_the_model_answers(infer, valid_examples, valid_notes, good_model):
    answered = read(infer(valid_examples) / "Split-valid")
    assert len(answered) == len(valid_notes)
    serve = tf.saved_model.load(str(good_model / "Format-Serving")).signatures["serving_waveform"]
    expected = serve(audio=tf.constant(np.stack([note.audio for note in valid_notes])))
    np.testing.assert_allclose(
        [value(e, "probabilities") for e in answered], expected["probabilities"].numpy(), atol=1e-5
    )
    assert [value(e, "answer") for e in answered] == [[name] for name in expected["family"].numpy()]
    assert [value(e, "answer_id") for e in answered] == [[i] for i in expected["family_id"].numpy()]
    assert [value(e, nsynth.INSTRUMENT_STR)[0].decode() for e in answered] == [
        note.instrument for note in valid_notes
    ], "what is known of a note stays beside the answer"
    assert not any(nsynth.AUDIO in e.features.feature for e in answered), "its samples do not"


def test_a_model_without_a_blessing_is_not_asked(infer, valid_examples):
    assert list(infer(valid_examples, blessed=0).iterdir()) == []


def test_files_of_all_splits_and_empty_ones(infer, tmp_path, valid_notes):
    uri = tmp_path / "examples"
    for split, number, notes in (
        ("train", 0, valid_notes[:5]),
        ("train", 1, []),
        ("test", 0, valid_notes[5:40]),
    ):
        write_notes(uri / f"Split-{split}" / f"data_tfrecord-{number:05}-of-00002", notes)
    examples = make_artifact("Examples", uri)
    examples.split_names, examples.span = '["test", "train"]', 1
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    folder = infer(examples)
    assert {s: len(read(folder / f"Split-{s}")) for s in ("train", "test")} == {"train": 5, "test": 35}
    names = [path.name for path in sorted((folder / "Split-train").iterdir())]
    assert names == ["examples_tfrecord-00000-of-00002", "examples_tfrecord-00001-of-00002"]


def test_it_is_in_the_graph_only_if_notes_are_named(tmp_path):
    from pipeline.config import Config
    from pipeline.graph import create_pipeline

    plain = Config(workspace=tmp_path)
    asked = Config(workspace=tmp_path, bulk={"data": "more-notes"})
    without, with_ = (
        {c.id for c in create_pipeline(config, str(tmp_path)).components} for config in (plain, asked)
    )
    assert with_ - without == {"BulkNotes", "BulkInferrer"}

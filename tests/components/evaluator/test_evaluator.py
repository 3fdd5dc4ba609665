"""The Evaluator on real (small) models: its figures, its bars, and a champion that is not there."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tfx.dsl.components.base import base_beam_executor

import nsynth
from components.evaluator.bands import band_key
from components.evaluator.component import BANDS
from components.evaluator.eval_config import eval_config
from components.evaluator.executor import EvaluateExecutor

pytestmark = pytest.mark.slow

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def evaluate(new_artifact, examples, candidate: Path, champion: Path | None) -> tuple[str, bool]:
    """Runs the executor; returns the folder with TFMA's result, and whether it blessed the candidate."""
    model, baseline = new_artifact("Model", "candidate"), new_artifact("Model", "champion")
    model.uri = str(candidate)
    baseline.uri = str(champion or baseline.uri)
    evaluation, blessing = (
        new_artifact("ModelEvaluation", "evaluation"),
        new_artifact("ModelBlessing", "blessing"),
    )
    config = eval_config(min_accuracy=0.5, max_loss=0.02, edges={"pitch": (0, 50, 70, 128)})
    EvaluateExecutor(base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=[RUNNER])).Do(
        {"examples": [examples], "model": [model], "baseline_model": [baseline]},
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": json_format.MessageToJson(config, preserving_proto_field_name=True),
            "example_splits": json.dumps(["valid"]),
            "module_path": BANDS,
        },
    )
    return evaluation.uri, blessing.get_int_custom_property("blessed") == 1


def predictions(model: Path, notes) -> np.ndarray:
    import tensorflow as tf

    serve = tf.saved_model.load(str(model / "Format-Serving")).signatures["serving_waveform"]
    return serve(audio=tf.constant(np.stack([note.audio for note in notes])))["probabilities"].numpy()


def test_figures_are_those_of_numpy_and_an_empty_champion_is_left_out(
    new_artifact, valid_examples, valid_notes, confused_model
):
    uri, blessed = evaluate(new_artifact, valid_examples, confused_model, champion=None)

    probabilities = predictions(confused_model, valid_notes)
    labels = np.array([note.family for note in valid_notes])
    answers = probabilities.argmax(1)
    accuracy = np.mean(answers == labels)
    assert 0.5 < accuracy < 1, "the model must make mistakes, or the figures prove nothing"
    assert blessed
    result = tfma.load_eval_result(uri)
    overall = {name: value["doubleValue"] for name, value in result.get_metrics_for_slice().items()}
    assert overall["example_count"] == len(valid_notes)
    assert overall["sparse_categorical_accuracy"] == pytest.approx(accuracy)
    assert overall["sparse_categorical_crossentropy"] == pytest.approx(
        -np.log(probabilities[np.arange(len(labels)), labels]).mean(), rel=1e-4
    )
    top_3 = (np.argsort(-probabilities)[:, :3] == labels[:, None]).any(1).mean()
    assert overall["top_3_accuracy"] == pytest.approx(top_3)
    for family in range(len(nsynth.FAMILIES)):
        figures = result.get_metrics_for_slice(class_id=family, top_k=1)
        assert figures["recall"]["doubleValue"] == pytest.approx(np.mean(answers[labels == family] == family))
        if (answers == family).any():
            assert figures["precision"]["doubleValue"] == pytest.approx(
                np.mean(labels[answers == family] == family)
            )
    for part, chosen in {
        (nsynth.FAMILY_STR, "reed"): labels == nsynth.FAMILIES.index("reed"),
        (nsynth.SOURCE_STR, "electronic"): np.array([note.source == 1 for note in valid_notes]),
        (band_key("pitch"), "50-69"): np.array([note.pitch == 60 for note in valid_notes]),
        (band_key("pitch"), "70-127"): np.array([note.pitch == 80 for note in valid_notes]),
        (nsynth.VELOCITY, 127): np.array([note.velocity == 127 for note in valid_notes]),
    }.items():
        figures = result.get_metrics_for_slice((part,))
        assert figures["example_count"]["doubleValue"] == chosen.sum()
        assert figures["sparse_categorical_accuracy"]["doubleValue"] == pytest.approx(
            np.mean(answers[chosen] == labels[chosen])
        )


def test_worse_than_the_champion_is_not_blessed(new_artifact, valid_examples, confused_model, good_model):
    uri, blessed = evaluate(new_artifact, valid_examples, confused_model, champion=good_model)
    failures = tfma.load_validation_result(uri).metric_validations_per_slice[0].failures
    assert not blessed
    assert [failure.metric_key.name for failure in failures] == ["sparse_categorical_accuracy"]
    assert failures[0].metric_threshold.HasField("change_threshold")

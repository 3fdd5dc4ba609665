"""The Evaluator on real (small) models: its figures, its bars, and a champion that is not there."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2

import nsynth
from components.documents.models import EvaluatorReport
from components.evaluator.bands import band_key
from components.evaluator.component import BANDS
from components.evaluator.eval_config import eval_config
from components.evaluator.executor import EvaluateExecutor
from components.predictions import Predictions
from components.version import model_digest
from tests.components.conftest import CLASSES, ask_models, make_artifact, predictions_of, write_predictions

pytestmark = pytest.mark.slow

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def evaluate(
    new_artifact, examples, candidate: Path, champion: Path | None, baseline: Path | None = None
) -> tuple[str, bool]:
    """Asks the models, runs the executor; returns the folder with TFMA's result, and whether it blessed the candidate.

    `baseline` is wired to the Evaluator instead of the champion that answered.
    """
    asked = ask_models(new_artifact, examples, candidate, champion)
    before = asked["champion"]
    before.uri = str(baseline or before.uri)
    return judge(new_artifact, asked["predictions"], {"model": [asked["model"]], "baseline_model": [before]})


def judge(new_artifact, predictions, models) -> tuple[str, bool]:
    evaluation, blessing = (
        new_artifact("ModelEvaluation", "evaluation"),
        new_artifact("ModelBlessing", "blessing"),
    )
    config = eval_config(min_accuracy=0.5, max_loss=0.02, edges={"pitch": (0, 50, 70, 128)})
    EvaluateExecutor(base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=[RUNNER])).Do(
        {"examples": [predictions], **models},
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": json_format.MessageToJson(config, preserving_proto_field_name=True),
            "example_splits": json.dumps(["valid"]),
            "module_path": BANDS,
        },
    )
    blessed = blessing.get_int_custom_property("blessed") == 1
    assert Path(blessing.uri, "BLESSED").exists() == blessed
    assert Path(blessing.uri, "NOT_BLESSED").exists() != blessed
    return evaluation.uri, blessed


def checks(evaluation: str) -> dict[str, bool]:
    """What is added to the gate's report: name → passed."""
    report = EvaluatorReport.read(Path(evaluation).with_name("blessing"))
    return {check.name: check.passed for check in report.checks}


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
    assert checks(uri) == {"agreement with TFMA": True, "Evaluator": True}
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
    assert checks(uri) == {"agreement with TFMA": True, "Evaluator": False}
    assert [failure.metric_key.name for failure in failures] == ["sparse_categorical_accuracy"]
    assert failures[0].metric_threshold.HasField("change_threshold")


def test_no_blessing_where_tfma_has_seen_something_else(
    new_artifact, valid_examples, good_model, monkeypatch
):
    monkeypatch.setattr(Predictions, "accuracy", 0.5)
    uri, blessed = evaluate(new_artifact, valid_examples, good_model, champion=None)
    assert not blessed
    assert checks(uri) == {"agreement with TFMA": False, "Evaluator": True}


def test_a_champion_that_is_not_wired_does_not_let_the_bar_against_it_pass(
    new_artifact, valid_examples, confused_model, good_model, tmp_path
):
    """TFX would take the bar out, and bless: the candidate is over the other one."""
    with pytest.raises(nsynth.UserError, match="not those of the champion"):
        evaluate(
            new_artifact, valid_examples, confused_model, champion=good_model, baseline=tmp_path / "none"
        )


def test_predictions_of_other_models_are_refused(new_artifact, valid_notes, confused_model, good_model):
    uniform = np.full((len(valid_notes), CLASSES), 1 / CLASSES)
    artifact, serving = new_artifact("Examples", "predictions"), confused_model / "Format-Serving"
    models = {"model": [new_artifact("Model", "m")], "baseline_model": [new_artifact("Model", "b")]}
    models["model"][0].uri = str(confused_model)
    write_predictions(artifact.uri, predictions_of(valid_notes, uniform), candidate="0" * 32)
    with pytest.raises(nsynth.UserError, match="not those of the candidate"):
        judge(new_artifact, artifact, models)
    write_predictions(
        artifact.uri, predictions_of(valid_notes, uniform), candidate=model_digest(str(serving))
    )
    models["baseline_model"][0].uri = str(good_model)
    with pytest.raises(nsynth.UserError, match=r"not those of the champion .*digest of none instead of"):
        judge(new_artifact, artifact, models)
    with pytest.raises(nsynth.UserError, match="not those of the candidate"):
        judge(new_artifact, artifact, {})


def test_the_models_are_not_asked_again(new_artifact, valid_notes, tmp_path):
    """No model is there that could be: the figures and the verdict are those of the stored answers."""
    labels = np.array([note.family for note in valid_notes])
    always_reed = np.full(len(labels), nsynth.FAMILIES.index("reed"))
    right = np.eye(CLASSES)[labels] * 0.8 + 0.2 / CLASSES
    half = np.where(labels == nsynth.FAMILIES.index("vocal"), always_reed, labels)
    answers = np.eye(CLASSES)[half] * 0.8 + 0.2 / CLASSES
    models = {key: [make_artifact("Model", tmp_path / key)] for key in ("model", "baseline_model")}
    digests = {}
    for key, [model] in models.items():
        Path(model.uri, "Format-Serving").mkdir()
        Path(model.uri, "Format-Serving", "saved_model.pb").write_text(key)
        digests[key] = model_digest(f"{model.uri}/Format-Serving")
    told = {"candidate": digests["model"], "champion": digests["baseline_model"]}
    predictions = make_artifact("Examples", tmp_path / "predictions")
    predictions.split_names = '["valid"]'
    examples_utils.set_payload_format(predictions, example_gen_pb2.FORMAT_TF_EXAMPLE)
    write_predictions(predictions.uri, predictions_of(valid_notes, answers, right), **told)
    uri, blessed = judge(new_artifact, predictions, models)
    assert not blessed
    [failure] = tfma.load_validation_result(uri).metric_validations_per_slice[0].failures
    assert failure.metric_threshold.HasField("change_threshold")
    for name, given in (("candidate", half), ("baseline", labels)):
        result = tfma.load_eval_result(uri, model_name=name)
        overall = result.get_metrics_for_slice()["sparse_categorical_accuracy"]["doubleValue"]
        assert overall == pytest.approx(np.mean(given == labels))
    never = nsynth.FAMILIES.index("vocal")
    figures = tfma.load_eval_result(uri, model_name="candidate").get_metrics_for_slice(
        class_id=never, top_k=1
    )
    assert figures["recall"]["doubleValue"] == 0, "a family that is never answered is never recognized"
    assert np.isnan(float(figures["precision"]["doubleValue"]))

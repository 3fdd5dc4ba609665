"""Predictor on models that were really trained: what it writes down, and of whom."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import nsynth
from components import predictions as module
from components.documents.models import AnsweringModels
from components.predictions import Predictions, ask, predict
from components.version import model_digest
from tests.components.conftest import CLASSES, make_notes, write_notes

pytestmark = pytest.mark.slow


def test_each_model_answers_as_it_would_when_served(predictor, good_model, confused_model, valid_notes):
    import tensorflow as tf

    artifact = predictor(confused_model, good_model)
    predictions = Predictions.load(artifact.uri)
    audio = tf.constant(np.stack([note.audio for note in valid_notes]))
    for model, answers in ((confused_model, predictions.candidate), (good_model, predictions.champion)):
        serve = tf.saved_model.load(str(model / "Format-Serving")).signatures["serving_waveform"]
        np.testing.assert_allclose(answers, serve(audio=audio)["probabilities"], atol=1e-5)
    assert list(predictions.instrument_str) == [note.instrument for note in valid_notes]
    assert artifact.split_names == '["valid"]'


def test_the_predictions_carry_the_digest_of_each_model_that_answered(predictor, good_model, confused_model):
    models = AnsweringModels.read(predictor(confused_model, good_model).uri)
    assert models.candidate.digest == model_digest(str(confused_model / "Format-Serving"))
    assert models.champion.digest == model_digest(str(good_model / "Format-Serving"))
    assert (models.candidate.uri, models.champion.version) == (str(confused_model), 5)


def test_without_a_champion_the_candidate_answers_alone(predictor, good_model):
    artifact = predictor(good_model)
    models = AnsweringModels.read(artifact.uri)
    assert (models.champion.version, models.champion.digest) == (0, "")
    assert not Predictions.load(artifact.uri).has_champion


def test_a_model_that_is_altered_while_it_answers_is_not_the_one_that_is_vouched_for(
    predictor, good_model, tmp_path, monkeypatch
):
    model = tmp_path / "model"
    shutil.copytree(good_model, model)
    before = model_digest(str(model / "Format-Serving"))

    def altered(*asked):
        (model / "Format-Serving" / "more").write_text("x")
        yield from ask(*asked)

    monkeypatch.setattr("components.predictor.executor.ask", altered)
    told = AnsweringModels.read(predictor(model).uri).candidate.digest
    assert told == before != model_digest(str(model / "Format-Serving"))


def test_notes_are_asked_about_in_batches_and_each_file_has_its_own(
    predictor, good_model, tmp_path, new_artifact
):
    notes = make_notes(range(CLASSES), range(20, 24))
    examples = new_artifact("Examples", "examples")
    examples.split_names = '["valid"]'
    files = [Path(examples.uri, "Split-valid", name) for name in ("a", "b")]
    write_notes(files[0], notes[:70])
    write_notes(files[1], notes[70:])
    sizes = [len(batch) for _, batch in ask(map(str, files), str(good_model / "Format-Serving"))]
    assert max(sizes) == module.BATCH_SIZE
    assert sum(sizes) == len(notes)
    folder = Path(predictor(good_model, examples=examples).uri)
    assert [path.name for path in sorted((folder / "Split-valid").iterdir())] == [
        "predictions-00000-of-00002",
        "predictions-00001-of-00002",
    ]
    assert list(Predictions.load(folder).instrument_str) == [note.instrument for note in notes]


def test_an_empty_split_is_refused(predictor, good_model, tmp_path, new_artifact):
    examples = new_artifact("Examples", "examples")
    examples.split_names = '["valid"]'
    write_notes(Path(examples.uri, "Split-valid", "empty"), [])
    with pytest.raises(nsynth.UserError, match="the split valid is empty"):
        predictor(good_model, examples=examples)
    with pytest.raises(nsynth.UserError, match="no notes to evaluate a model on"):
        predict([f"{examples.uri}/Split-valid/empty"], str(good_model / "Format-Serving"))

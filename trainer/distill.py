"""Distillation: a network learns from the predictions of trained networks, its teachers, and from the labels.

Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531. The teachers classify each train note once, before the
training; they are not served.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

import nsynth
from trainer.export import RECIPE, WEIGHTS
from trainer.index import NoteIndex, file_hash
from trainer.input import evaluation_batches
from trainer.model import build
from trainer.options import RecipeOptions
from transform import features
from transform.options import SpectrogramOptions

_BATCH_SIZE = 64
_TOLERANCE = 1e-3  # of a probability; a larger difference means another normalization of the spectrograms
log = logging.getLogger("trainer")


def load_teachers(
    folders: Sequence[str], spectrogram: SpectrogramOptions, transform_output: tft.TFTransformOutput
) -> list[keras.Model]:
    """Rebuild the networks of exported models.

    Args:
      folders: folders of exported models.
      spectrogram: spectrogram options of the notes to classify.
      transform_output: output of the Transform step that made these notes.

    Returns:
      the networks, from normalized spectrograms to probabilities.

    Raises:
      UserError: a folder does not contain an exported model of this project, or the model has another front end.
    """
    teachers = []
    for folder in map(Path, folders):
        try:
            described = json.loads((folder / RECIPE).read_text())
            network = build(RecipeOptions(size=described["recipe"]["size"]), spectrogram.n_mels)
            fits = described["spectrogram"] == spectrogram.model_dump(mode="json")
            if fits:
                network.load_weights(folder / WEIGHTS)
                fits = _apart(folder, network, transform_output) <= _TOLERANCE
        except (OSError, ValueError, KeyError) as error:
            raise nsynth.UserError(
                f"recipe.distill: {folder} is not a model exported by this version "
                f"({str(error).splitlines()[0][:200]}); name a version's folder, such as workspace/models/VERSION"
            ) from error
        if not fits:
            raise nsynth.UserError(
                f"recipe.distill: {folder} was trained on other spectrograms: its options or its normalization "
                "differ; train teacher and student on the same data with the same spectrogram options"
            )
        teachers.append(network)
    return teachers


def fingerprint(folders: Sequence[str]) -> str | None:
    """Return the hash of the teachers' weights; None without teachers."""
    hashes = [file_hash(Path(folder) / WEIGHTS) for folder in folders]
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None


def mean_answers(
    teachers: Sequence[keras.Model], index: NoteIndex, spectrogram: SpectrogramOptions
) -> np.ndarray | None:
    """Return the teachers' mean probabilities for each note, float32 [notes, classes]; None without teachers."""
    if not teachers:
        return None
    log.info("distilling: %d teachers answer %d notes", len(teachers), len(index))
    batches = evaluation_batches(index, _BATCH_SIZE, spectrogram)
    answers = [teacher.predict(batches, verbose=0)[: len(index)] for teacher in teachers]
    return np.asarray(np.mean(answers, axis=0), np.float32)


def _apart(folder: Path, network: keras.Model, transform_output: tft.TFTransformOutput) -> float:
    """Return the largest difference, on noise, between the exported model and its network after this Transform."""
    audio = np.random.default_rng(0).normal(0, 0.1, (1, nsynth.NOTE_SAMPLES)).astype(np.float32)
    log_mel = transform_output.transform_features_layer()({nsynth.AUDIO: tf.constant(audio)})[
        features.LOG_MEL
    ]
    served = tf.saved_model.load(str(folder)).signatures["serving_waveform"](audio=tf.constant(audio))
    return float(np.abs(network(log_mel, training=False) - served["probabilities"]).max())

"""The exported model: Transform's graph and the network in one SavedModel, which rules out training-serving skew."""

import json
import logging
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

import atomic
import nsynth
from trainer.heads import LABEL, NOVELTY
from trainer.model import build, with_embedding
from trainer.novelty import FALSE_ALARMS, Novelty
from trainer.options import RecipeOptions
from transform import features
from transform.options import SpectrogramOptions

log = logging.getLogger("trainer")

EXTRA = "assets.extra"  # TensorFlow Serving ignores files in this folder, except the warm-up requests
WEIGHTS = f"{EXTRA}/weights.weights.h5"
RECIPE = f"{EXTRA}/recipe.json"
WARMUP = f"{EXTRA}/tf_serving_warmup_requests"

_WARMUP_BATCHES = (1, 8)  # notes of a request


class Classifier(tf.Module):
    """The object that is saved. Everything that the graph needs must be an attribute to be saved with it."""

    def __init__(self, network: keras.Model, novelty: Novelty, transform_output: tft.TFTransformOutput):
        super().__init__(name="classifier")
        answering = with_embedding(network)
        self._network = answering.__call__  # a bound method is not tracked; its variables are, below
        # As TensorFlow variables: Keras variables would be saved twice, and a server, which restores by name and not by
        # object, would restore the copy that no signature reads.
        self._weights = [variable.value for variable in answering.variables]
        self._novelty = novelty.score  # its numbers become constants of the graph
        self.transform = transform_output.transform_features_layer()
        self.families = tf.constant(nsynth.CLASSES)
        self._spec = transform_output.raw_feature_spec()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def classify_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify serialized tf.Examples [batch], of which only `audio` is read."""
        audio = tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)
        return self._answer(tf.io.parse_example(examples, {nsynth.AUDIO: audio})[nsynth.AUDIO])

    @tf.function(input_signature=[tf.TensorSpec([None, nsynth.NOTE_SAMPLES], tf.float32, name=nsynth.AUDIO)])
    def classify_waveform(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify raw waveforms [batch, nsynth.NOTE_SAMPLES]."""
        return self._answer(audio)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Transform serialized tf.Examples [batch] as the pipeline does: the features of transform.features."""
        return self.transform(tf.io.parse_example(examples, self._spec))

    def _answer(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return probabilities [batch, families], name and id [batch] of the most likely family, novelty [batch]."""
        log_mel = self.transform({nsynth.AUDIO: audio})[features.LOG_MEL]
        probabilities, embedding = self._network(log_mel, training=False)
        family_id = tf.argmax(probabilities, axis=-1)
        return {
            "probabilities": probabilities,
            LABEL: tf.gather(self.families, family_id),
            features.LABEL_ID: family_id,
            NOVELTY: self._novelty(embedding),
        }


def export(
    network: keras.Model,
    novelty: Novelty,
    transform_output: tft.TFTransformOutput,
    recipe: RecipeOptions,
    spectrogram: SpectrogramOptions,
    splits: dict[str, float],
    folder: Path,
) -> None:
    """Save the model with its signatures, its weights and recipe for a later warm start, and warm-up requests.

    Args:
      network: the trained network, without optimizer.
      novelty: novelty score, fitted to the train notes.
      transform_output: output of the Transform step that made the training data.
      recipe: recipe of the training.
      spectrogram: options of the front end.
      splits: settings that determine the split of each instrument.
      folder: folder to create, or an empty one; it appears atomically.
    """
    classifier = Classifier(network, novelty, transform_output)
    options = {"recipe": recipe.model_dump(mode="json"), "spectrogram": spectrogram.model_dump(mode="json")}
    told = {"false_alarms": FALSE_ALARMS, "dev_notes": novelty.dev_notes}
    described = {**options, "splits": splits, "novelty": told}
    with atomic.folder(folder) as unfinished:
        tf.saved_model.save(
            classifier,
            str(unfinished),
            signatures={
                "serving_default": classifier.classify_examples,
                "serving_waveform": classifier.classify_waveform,
                "transform_features": classifier.transform_features,
            },
        )
        (unfinished / EXTRA).mkdir()
        network.save_weights(unfinished / WEIGHTS)
        (unfinished / RECIPE).write_text(json.dumps(described, indent=2) + "\n")
        _write_warmup_requests(unfinished / WARMUP)


def start_weights(
    champion: Path | None, recipe: RecipeOptions, spectrogram: SpectrogramOptions, splits: dict[str, float]
) -> Path | None:
    """Return the champion's weights file if it has the same network and data; otherwise log the reason and return None.

    With another assignment of instruments to splits, the champion may have been trained on instruments that are now in
    dev or valid.
    """
    if not recipe.warm_start:
        log.info("starting from random weights: recipe.warm_start is off")
        return None
    if (
        champion is None or not champion.exists()
    ):  # without a champion, TFX passes a folder that does not exist
        log.info("starting from random weights: there is no champion")
        return None
    try:
        described = json.loads((champion / RECIPE).read_text())
        before = described["recipe"]["size"], described["spectrogram"], described["splits"]
    except (OSError, ValueError, KeyError):
        log.info("starting from random weights: the champion %s contains no weights to start from", champion)
        return None
    if before != (recipe.size, spectrogram.model_dump(mode="json"), splits):
        log.info(
            "starting from random weights: the champion's network, spectrogram or splits differ (%s %s %s)",
            *before,
        )
        return None
    weights = champion / WEIGHTS
    try:
        build(recipe, spectrogram.n_mels).load_weights(weights)
    except (OSError, ValueError) as error:  # of an earlier version of the code, or damaged
        log.info(
            "starting from random weights: the champion's weights do not fit (%s)",
            str(error).splitlines()[0][:200],
        )
        return None
    log.info("starting from the champion's weights, %s", champion)
    return weights


def _write_warmup_requests(path: Path) -> None:
    """Write the warm-up requests that TensorFlow Serving replays before it serves a version.

    Each signature is called with each batch size; the notes are quiet noise from a fixed seed.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    generator = np.random.default_rng(0)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in _WARMUP_BATCHES:
            audio = generator.normal(0, 0.01, (batch, nsynth.NOTE_SAMPLES)).astype(np.float32)
            asked = {
                "serving_default": ("examples", np.array([_example(note) for note in audio], object)),
                "serving_waveform": (nsynth.AUDIO, audio),
            }
            for signature, (name, values) in asked.items():
                request = prediction_log_pb2.PredictionLog()
                request.predict_log.request.model_spec.signature_name = signature
                request.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
                writer.write(request.SerializeToString(deterministic=True))


def _example(audio: np.ndarray) -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=audio))
    return tf.train.Example(features=tf.train.Features(feature={nsynth.AUDIO: feature})).SerializeToString()

"""The preprocessing_fn for TensorFlow Transform: raw note features to model inputs, with statistics of train."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

import nsynth
from transform import features
from transform.log_mel import log_mel
from transform.options import SpectrogramOptions

# Name of the graph's waist: operations above it are expensive and need no statistics, those below are cheap.
RAW_LOG_MEL = "raw_log_mel"

# A bin that hardly varies over the train split (natural-log units) contains no sound and is not amplified.
MIN_DEVIATION = 0.1


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Compute the features of `transform.features` from those of a raw note.

    Args:
      inputs: batches of raw features by name; `audio` is float32 [batch, nsynth.NOTE_SAMPLES]. Features that the data
        does not have are missing.
      custom_config: `spectrogram` contains the fields of SpectrogramOptions.

    Returns:
      batches of transformed features by name.
    """
    options = SpectrogramOptions(**custom_config["spectrogram"])
    raw = tf.identity(log_mel(inputs[nsynth.AUDIO], options), name=RAW_LOG_MEL)
    copies = {name: inputs[raw_name] for name, raw_name in features.RAW.items() if raw_name in inputs}
    return {features.LOG_MEL: normalize(raw), **copies}


def normalize(spectrogram: tf.Tensor) -> tf.Tensor:
    """Normalize every mel bin of [batch, frames, n_mels] to zero mean and unit deviation over the analysed split."""
    per_frame = tf.reshape(spectrogram, [-1, spectrogram.shape[-1]])
    # TFT packs both analyzers into one pass, and TensorFlow computes their common batch moments once.
    mean = tft.mean(per_frame, reduce_instance_dims=False)
    variance = tft.var(per_frame, reduce_instance_dims=False)
    return (spectrogram - mean) / tf.maximum(tf.sqrt(variance), MIN_DEVIATION)

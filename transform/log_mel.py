"""Waveform to log-mel spectrogram, as pure TensorFlow functions.

Agrees with librosa's `feature.melspectrogram(center=False, power=2, htk=True, norm=None)` of the padded
note, except for the scale of the window: here a full-scale sine in the middle of an FFT bin has power 1 (0 dBFS).
"""

import numpy as np
import tensorflow as tf

from transform.mel import mel_matrix, window
from transform.options import SpectrogramOptions

# Mel bands are multiplied in this many groups, each with only the FFT bins it needs: the whole matrix is
# 98.5 % zeros.
_MEL_GROUPS = 8


def frame(audio: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Cut [batch, samples] into overlapping frames [batch, frames, n_fft], zeros at both ends."""
    padded = tf.pad(audio, [[0, 0], list(options.padding)])
    return tf.signal.frame(padded, options.n_fft, options.hop_length)


def power_spectrogram(audio: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Return the squared magnitude of the short-time Fourier transform, [batch, frames, bins]."""
    spectrum = tf.signal.rfft(frame(audio, options) * window(options))
    return tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))


def mel_power(power: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Sum the power of each mel band: [batch, frames, bins] to [batch, frames, n_mels]."""
    weights = mel_matrix(options)
    per_frame = tf.reshape(power, [-1, options.bins])
    bands = []
    for group in np.array_split(np.arange(options.n_mels), min(_MEL_GROUPS, options.n_mels)):
        used = np.flatnonzero(weights[:, group].any(axis=1))
        first, last = (used[0], used[-1] + 1) if used.size else (0, 1)
        bands.append(tf.matmul(per_frame[:, first:last], weights[first:last, group]))
    return tf.reshape(tf.concat(bands, axis=-1), [-1, options.frames, options.n_mels])


def log_mel(audio: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Return the natural logarithm of the mel power of each frame, with a floor.

    The floor is the higher of `floor_dbfs` and `top_db` below the note's loudest bin.

    Args:
      audio: float32 [batch, nsynth.NOTE_SAMPLES], full scale at ±1.
      options: the front end.

    Returns:
      float32 [batch, frames, n_mels].
    """
    mel = mel_power(power_spectrogram(audio, options), options)
    loudest = tf.reduce_max(mel, axis=[1, 2], keepdims=True)
    floor = tf.maximum(options.floor_power, options.relative_floor * loudest)
    return tf.math.log(tf.maximum(mel, floor))

"""Waveform to log-mel spectrogram, as pure TensorFlow functions.

Agrees with librosa's `feature.melspectrogram(center=False, power=2, htk=True, norm=None)` of the padded
note, but for the window's scale: here a full-scale sine in the middle of an FFT bin has power 1 (0 dBFS).
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

import nsynth
from transform.options import SpectrogramOptions

# Mel bands are multiplied in this many groups, each with only the FFT bins it needs: the whole matrix is
# 98.5 % zeros.
_MEL_GROUPS = 8


def hz_to_mel(hz: npt.ArrayLike) -> np.ndarray:
    """The mel scale of HTK (O'Shaughnessy): 2595 log10(1 + f / 700)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def mel_to_hz(mel: npt.ArrayLike) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    return 700.0 * (10.0 ** (np.asarray(mel) / 2595.0) - 1.0)


def mel_matrix(options: SpectrogramOptions) -> np.ndarray:
    """Weights [bins, n_mels] float32 of triangular bands, evenly spaced in mel, linear in Hz, with peak 1."""
    edges = mel_to_hz(np.linspace(hz_to_mel(options.fmin_hz), hz_to_mel(options.fmax_hz), options.n_mels + 2))
    bins_hz = np.linspace(0, nsynth.SAMPLE_RATE_HZ / 2, options.bins)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins_hz - lower) / (centre - lower)
    falling = (upper - bins_hz) / (upper - centre)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def window(options: SpectrogramOptions) -> np.ndarray:
    """Periodic Hann window [n_fft] float32, scaled so that a full-scale sine gets a spectral peak of 1."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(options.n_fft) / options.n_fft)
    return (hann * 2 / hann.sum()).astype(np.float32)


def frame(audio: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Cuts [batch, samples] into overlapping frames [batch, frames, n_fft], zeros at both ends."""
    padded = tf.pad(audio, [[0, 0], list(options.padding)])
    return tf.signal.frame(padded, options.n_fft, options.hop_length)


def power_spectrogram(audio: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Squared magnitude of the short-time Fourier transform, [batch, frames, bins]."""
    spectrum = tf.signal.rfft(frame(audio, options) * window(options))
    return tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))


def mel_power(power: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Sums the power of each mel band: [batch, frames, bins] to [batch, frames, n_mels]."""
    weights = mel_matrix(options)
    per_frame = tf.reshape(power, [-1, options.bins])
    bands = []
    for group in np.array_split(np.arange(options.n_mels), min(_MEL_GROUPS, options.n_mels)):
        used = np.flatnonzero(weights[:, group].any(axis=1))
        first, last = (used[0], used[-1] + 1) if used.size else (0, 1)
        bands.append(tf.matmul(per_frame[:, first:last], weights[first:last, group]))
    return tf.reshape(tf.concat(bands, axis=-1), [-1, options.frames, options.n_mels])


def log_mel(audio: tf.Tensor, options: SpectrogramOptions) -> tf.Tensor:
    """Natural logarithm of the mel power of each frame, never below that of the note's floor.

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

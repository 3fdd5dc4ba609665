"""The front end's window and mel bands, and the complete front end in NumPy, for pictures of a few sounds.

`transform/log_mel.py` is the front end in TensorFlow. Imports nothing heavy.
"""

import numpy as np
import numpy.typing as npt

import nsynth
from transform.options import SpectrogramOptions


def hz_to_mel(hz: npt.ArrayLike) -> np.ndarray:
    """Return Hz on the mel scale of HTK (O'Shaughnessy): 2595 log10(1 + f / 700)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def mel_to_hz(mel: npt.ArrayLike) -> np.ndarray:
    """Return the inverse of `hz_to_mel`."""
    return 700.0 * (10.0 ** (np.asarray(mel) / 2595.0) - 1.0)


def mel_matrix(options: SpectrogramOptions) -> np.ndarray:
    """Return weights [bins, n_mels] float32 of triangular bands, evenly spaced in mel, linear in Hz, with peak 1."""
    edges = mel_to_hz(np.linspace(hz_to_mel(options.fmin_hz), hz_to_mel(options.fmax_hz), options.n_mels + 2))
    bins_hz = np.linspace(0, nsynth.SAMPLE_RATE_HZ / 2, options.bins)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins_hz - lower) / (centre - lower)
    falling = (upper - bins_hz) / (upper - centre)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def window(options: SpectrogramOptions) -> np.ndarray:
    """Return a periodic Hann window [n_fft] float32, scaled so that a full-scale sine has a spectral peak of 1."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(options.n_fft) / options.n_fft)
    return (hann * 2 / hann.sum()).astype(np.float32)


def mel_power(padded: np.ndarray, hop_length: int, options: SpectrogramOptions) -> np.ndarray:
    """Return power [frames, n_mels] of each mel band in each whole frame of padded samples [samples]."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, options.n_fft)[::hop_length]
    spectrum = np.fft.rfft(frames * window(options))
    return (np.square(spectrum.real) + np.square(spectrum.imag)) @ mel_matrix(options)


def log_mel(audio: np.ndarray, options: SpectrogramOptions) -> np.ndarray:
    """Return the same log-mel spectrogram [frames, n_mels] of a note [nsynth.NOTE_SAMPLES] as `transform.log_mel`."""
    mel = mel_power(np.pad(audio, options.padding), options.hop_length, options)
    return np.log(np.maximum(mel, max(options.floor_power, options.relative_floor * mel.max())))

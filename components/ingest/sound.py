"""Four numbers that describe a note's sound, so that nobody downstream need touch its 64,000 samples."""

from typing import NamedTuple

import numpy as np
import scipy.fft  # numpy's own takes five times as long for float32 frames

import nsynth

_LEVEL_FRAME = nsynth.SAMPLE_RATE_HZ // 100  # samples in 10 ms
_ACTIVE_BELOW_PEAK_DB = 40.0
_SPECTRUM_FRAME = 1000  # samples: 62.5 ms, a whole number of frames in a note
_HANN = np.hanning(_SPECTRUM_FRAME).astype(np.float32)
_BINS_HZ = np.fft.rfftfreq(_SPECTRUM_FRAME, 1 / nsynth.SAMPLE_RATE_HZ).astype(np.float32)


class Sound(NamedTuple):
    """The scalars, in the order of `nsynth.SOUND_FEATURES`."""

    peak_dbfs: float
    rms_dbfs: float
    spectral_centroid_hz: float
    active_duration_s: float


def describe(audio: np.ndarray) -> Sound:
    """Measure a note.

    Args:
        audio: float32[64000] in [-1, 1], not silent.

    Returns:
        Peak and RMS in dB of full scale; the centroid of the magnitude spectrum (Hann frames of 62.5 ms, summed);
        the time in seconds that 10 ms frames are within 40 dB of the loudest of them.
    """
    frames = audio.reshape(-1, _LEVEL_FRAME)
    energy = np.einsum("ft,ft->f", frames, frames)
    active = energy > energy.max() * 10 ** (-_ACTIVE_BELOW_PEAK_DB / 10)
    magnitude = np.abs(scipy.fft.rfft(audio.reshape(-1, _SPECTRUM_FRAME) * _HANN, axis=1)).sum(axis=0)
    return Sound(
        peak_dbfs=float(20 * np.log10(np.abs(audio).max())),
        rms_dbfs=float(10 * np.log10(energy.sum(dtype=np.float64) / audio.size)),
        spectral_centroid_hz=float(_BINS_HZ @ magnitude / magnitude.sum()),
        active_duration_s=float(active.sum() * _LEVEL_FRAME / nsynth.SAMPLE_RATE_HZ),
    )

"""Four numbers that describe a note's sound, so that no later step has to read its samples."""

from typing import NamedTuple

import numpy as np
import scipy.fft  # numpy's own takes five times as long for float32 frames

import nsynth

_LEVEL_FRAME = round(nsynth.SAMPLE_RATE_HZ / 100)  # samples in 10 ms
_ACTIVE_BELOW_PEAK_DB = 40.0
_SPECTRUM_FRAME = round(nsynth.SAMPLE_RATE_HZ / 16)  # samples in 62.5 ms
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
        audio: float32[nsynth.NOTE_SAMPLES] in [-1, 1], not silent.

    Returns:
        Peak and RMS in dB of full scale; the centroid of the magnitude spectrum (Hann frames of 62.5 ms, summed);
        the time in seconds that 10 ms frames are within 40 dB of the loudest of them.
    """
    frames = _frames(audio, _LEVEL_FRAME)
    energy = np.einsum("ft,ft->f", frames, frames)
    active = energy > energy.max() * 10 ** (-_ACTIVE_BELOW_PEAK_DB / 10)
    magnitude = np.abs(scipy.fft.rfft(_frames(audio, _SPECTRUM_FRAME) * _HANN, axis=1)).sum(axis=0)
    return Sound(
        peak_dbfs=float(20 * np.log10(np.abs(audio).max())),
        rms_dbfs=float(10 * np.log10(energy.sum(dtype=np.float64) / audio.size)),
        spectral_centroid_hz=float(_BINS_HZ @ magnitude / magnitude.sum()),
        active_duration_s=min(
            float(active.sum() * _LEVEL_FRAME / nsynth.SAMPLE_RATE_HZ), float(nsynth.NOTE_SECONDS)
        ),
    )


def _frames(audio: np.ndarray, length: int) -> np.ndarray:
    """Return the samples as [frames, length]; the last frame is filled up with silence."""
    missing = -len(audio) % length
    return (np.pad(audio, (0, missing)) if missing else audio).reshape(-1, length)

"""Tells a note's qualities by measuring it.

NSynth's ten qualities were found by listening and by heuristics that were not published. The six that a rendered
note shows plainly are measured here in the words of the dataset's page; multiphonic, nonlinear_env, reverb and
tempo-synced are never set.
"""

from functools import cache

import numpy as np

import nsynth
from corpus.general_midi import DISTORTED_PROGRAMS

FRAME_S = 0.05
NOTE_OFF_S = 3.0
QUIET_DB = -30  # below the loudest frame: the ear takes the note for over
BRIGHT_HZ, BRIGHT_HARMONICS = 2_000, 4  # centroid above both
DARK_HZ, DARK_HARMONICS = 600, 2  # centroid below both
PERCUSSIVE_FALL_DB, PERCUSSIVE_S = -20, 0.3


def measure(waveform: np.ndarray, pitch: int, program: int) -> frozenset[int]:
    """Find the qualities of one note.

    Args:
        waveform: float32 [64,000] at 16 kHz.
        pitch: MIDI note number.
        program: General-MIDI program, counted from 0.

    Returns:
        Ids into nsynth.QUALITIES.
    """
    level_db = _levels(waveform)
    centroid_hz = _centroid(waveform[: int(NOTE_OFF_S * nsynth.SAMPLE_RATE_HZ)])
    fundamental_hz = 440 * 2 ** ((pitch - 69) / 12)

    def level_at(seconds: float) -> float:
        return float(level_db[round(seconds / FRAME_S)])

    found = {
        "bright": centroid_hz > max(BRIGHT_HZ, BRIGHT_HARMONICS * fundamental_hz),
        "dark": centroid_hz < min(DARK_HZ, DARK_HARMONICS * fundamental_hz),
        "distortion": program in DISTORTED_PROGRAMS,
        "fast_decay": level_at(NOTE_OFF_S - FRAME_S) < QUIET_DB,  # over before the key is released
        "long_release": level_at(nsynth.NOTE_SECONDS - 2 * FRAME_S) > QUIET_DB,  # still heard at the end
        "percussive": level_at(PERCUSSIVE_S) < PERCUSSIVE_FALL_DB,  # a stroke and little more
    }
    return frozenset(nsynth.QUALITIES.index(name) for name, present in found.items() if present)


def _levels(waveform: np.ndarray) -> np.ndarray:
    """Return the RMS of each frame in dB below the loudest frame, float64 [80]."""
    frames = waveform.astype(np.float64).reshape(-1, int(FRAME_S * nsynth.SAMPLE_RATE_HZ))
    rms = np.sqrt((frames**2).mean(axis=1)) + 1e-9
    return 20 * np.log10(rms / rms.max())


def _centroid(waveform: np.ndarray) -> float:
    """Centre of gravity of the power spectrum in Hz."""
    window, hz = _window(len(waveform))
    power = np.abs(np.fft.rfft(waveform * window)) ** 2
    return float((power * hz).sum() / max(power.sum(), np.finfo(np.float64).tiny))


@cache
def _window(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a Hann window and the frequencies in Hz of its spectrum's bins."""
    return np.hanning(samples), np.fft.rfftfreq(samples, 1 / nsynth.SAMPLE_RATE_HZ)

"""Plays one note of a SoundFont preset and brings it into NSynth's form."""

from functools import cache
from pathlib import Path

import numpy as np
import soxr
import tinysoundfont

import nsynth
from corpus.note import FULL_SCALE

RENDER_RATE_HZ = 48_000
"""Higher than NSynth's rate, since the synthesizer's interpolation aliases; a good resampler brings it down."""
HOLD_S, RELEASE_S = 3, 1
GAIN_DB = -12  # headroom for presets of many layers; the scale is lost in normalization
FLUSH_SAMPLES = 2_400
SILENCE = 1e-4
"""Peak as rendered, in full scales (-80 dBFS), below which a note counts as silent."""


class Player:
    """A SoundFont loaded into a synthesizer.

    The same note sounds the same, to the last bit, whatever was played before.

    Raises:
        UserError: the synthesizer cannot load the file.
    """

    def __init__(self, path: Path):
        self._synth = tinysoundfont.Synth(gain=GAIN_DB, samplerate=RENDER_RATE_HZ)
        try:
            self._font = self._synth.sfload(str(path))
        except Exception as error:
            raise nsynth.UserError(f"The synthesizer cannot load the SoundFont {path}: {error}") from error

    def play(self, bank: int, program: int, pitch: int, velocity: int) -> np.ndarray:
        """Render one note, held 3 s and released 1 s.

        Returns:
            float32 [64,000] at 16 kHz, mono, as loud as the SoundFont makes it.
        """
        channel = 0
        self._synth.program_select(channel, self._font, bank, program)
        self._synth.noteon(channel, pitch, velocity)
        held = self._generate(HOLD_S * RENDER_RATE_HZ)
        self._synth.noteoff(channel, pitch)
        released = self._generate(RELEASE_S * RENDER_RATE_HZ)
        self._synth.sounds_off()
        while self._generate(FLUSH_SAMPLES).any():  # a tail would leak into the next note
            pass
        stereo = np.concatenate((held, released))
        mono = (stereo[:, 0] + stereo[:, 1]) / 2  # many times faster than a mean over so short an axis
        return soxr.resample(mono, RENDER_RATE_HZ, nsynth.SAMPLE_RATE_HZ, quality="HQ")[: nsynth.NOTE_SAMPLES]

    def _generate(self, samples: int) -> np.ndarray:
        """Return the next samples, float32 [samples, 2]."""
        return np.frombuffer(bytes(self._synth.generate(samples)), np.float32).reshape(-1, 2)


@cache
def player(path: Path) -> Player:
    """Return the player of a SoundFont, loaded once in each process."""
    return Player(path)


def normalize(waveform: np.ndarray, peak: float) -> np.ndarray | None:
    """Scale a note's loudest sample to `peak`, as NSynth's notes are scaled whatever their velocity.

    Args:
        waveform: float32 [samples].
        peak: in (0, 1).

    Returns:
        int16 [samples], or None where the note is silent or not finite.
    """
    loudest = float(np.abs(waveform).max())
    if not np.isfinite(loudest) or loudest < SILENCE:
        return None
    return np.rint(waveform * (peak * FULL_SCALE / loudest)).astype(np.int16)

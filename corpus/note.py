"""One rendered note, as NSynth's records and its JSON files describe it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import nsynth
from components.example_proto import serialize

FULL_SCALE = 32_768
"""NSynth's samples are 16-bit integers divided by this; so are ours, so that WAV and TFRecord hold the same."""


@dataclass(frozen=True, eq=False)
class Note:
    """A note with its labels.

    `audio` is int16 [64,000], 16 kHz, mono. `qualities` are ids into nsynth.QUALITIES.
    """

    split: str
    number: int
    instrument: int
    instrument_str: str
    family: str
    source: str
    pitch: int
    velocity: int
    qualities: frozenset[int]
    audio: np.ndarray

    @property
    def name(self) -> str:
        """NSynth's note_str."""
        return f"{self.instrument_str}-{self.pitch:03d}-{self.velocity:03d}"

    @property
    def waveform(self) -> np.ndarray:
        """float32 [64,000] in [-1, 1)."""
        return self.audio.astype(np.float32) / np.float32(FULL_SCALE)

    def labels(self) -> dict[str, Any]:
        """Return all features but the audio, under their NSynth names, as plain Python values."""
        return {
            nsynth.NOTE: self.number,
            nsynth.NOTE_STR: self.name,
            nsynth.INSTRUMENT: self.instrument,
            nsynth.INSTRUMENT_STR: self.instrument_str,
            nsynth.PITCH: self.pitch,
            nsynth.VELOCITY: self.velocity,
            nsynth.SAMPLE_RATE: nsynth.SAMPLE_RATE_HZ,
            nsynth.QUALITIES_KEY: [int(number in self.qualities) for number in range(len(nsynth.QUALITIES))],
            nsynth.QUALITIES_STR: [nsynth.QUALITIES[number] for number in sorted(self.qualities)],
            nsynth.FAMILY: nsynth.FAMILIES.index(self.family),
            nsynth.FAMILY_STR: self.family,
            nsynth.SOURCE: nsynth.SOURCES.index(self.source),
            nsynth.SOURCE_STR: self.source,
        }

    def example(self) -> bytes:
        """Return the serialized tf.Example with NSynth's 14 features."""
        return serialize({**self.labels(), nsynth.AUDIO: self.waveform})

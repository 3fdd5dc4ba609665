"""Valid NSynth records made of nothing: harmonic tones for the fuzzer, the benchmark and the tests."""

from pathlib import Path
from typing import Any

import numpy as np

import nsynth
from components import tfrecord
from components.example_proto import serialize

_HARMONICS = 4
_SECONDS = np.arange(nsynth.NOTE_SAMPLES, dtype=np.float32) / nsynth.SAMPLE_RATE_HZ


def make_note(
    generator: np.random.Generator, family: int, source: int = 0, number: int = 0, pitch: int = 60
) -> dict[str, Any]:
    """Return a decaying tone as values by feature name; the generator decides its harmonics and its velocity."""
    frequency_hz = 440 * 2 ** ((pitch - 69) / 12)
    audio = np.zeros_like(_SECONDS)
    for harmonic in range(1, _HARMONICS + 1):
        phase = 2 * np.pi * generator.random(dtype=np.float32)
        level = generator.random(dtype=np.float32) / harmonic
        audio += level * np.sin(np.float32(2 * np.pi * frequency_hz * harmonic) * _SECONDS + phase)
    audio *= np.exp(-_SECONDS) * np.float32(0.8) / np.abs(audio).max()
    velocity = int(generator.choice((25, 50, 75, 100, 127)))
    family_str, source_str = nsynth.FAMILIES[family], nsynth.SOURCES[source]
    instrument_str = f"{family_str}_{source_str}_{number:03d}"
    return {
        nsynth.NOTE: int(generator.integers(1 << 20)),
        nsynth.NOTE_STR: f"{instrument_str}-{pitch:03d}-{velocity:03d}",
        nsynth.INSTRUMENT: number,
        nsynth.INSTRUMENT_STR: instrument_str,
        nsynth.PITCH: pitch,
        nsynth.VELOCITY: velocity,
        nsynth.SAMPLE_RATE: nsynth.SAMPLE_RATE_HZ,
        nsynth.AUDIO: audio,
        nsynth.QUALITIES_KEY: [0] * len(nsynth.QUALITIES),
        nsynth.QUALITIES_STR: [],
        nsynth.FAMILY: family,
        nsynth.FAMILY_STR: family_str,
        nsynth.SOURCE: source,
        nsynth.SOURCE_STR: source_str,
    }


def make_notes(count: int, seed: int = 0, first_number: int = 0) -> list[dict[str, Any]]:
    """Return notes ordered by family as in the official files: an instrument for four, numbered from `first_number`."""
    return [_nth_note(place, count, seed, first_number) for place in range(count)]


def _nth_note(place: int, count: int, seed: int, first_number: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng([seed, place])
    family = place * len(nsynth.FAMILIES) // count
    within = place - -(-family * count // len(nsynth.FAMILIES))
    number = first_number + within // 4 % (1000 - first_number)
    return make_note(generator, family, within // 4 % len(nsynth.SOURCES), number, 36 + within % 48)


def write_tfrecord(path: Path, count: int, seed: int = 0) -> None:
    """Write `count` notes ordered by family, one at a time."""
    with path.open("wb") as file:
        for place in range(count):
            file.write(tfrecord.frame(serialize(_nth_note(place, count, seed))))

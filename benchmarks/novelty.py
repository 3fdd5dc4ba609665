"""How often the output `novelty` speaks up: `python -m benchmarks.novelty`, after `make run`.

Asks models of a first run's recipe, one a seed (benchmarks/first_run.py), about the run's valid notes, about recordings
of instruments and about made-up sounds that are no notes, and prints the share of each that is above 1. On valid notes
that is the rate of false alarms; on what is no note, the rate of detections.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from rich.table import Table
from scipy import signal

import nsynth
from benchmarks.first_run import ask, models, valid_files
from benchmarks.harness import settings_options
from benchmarks.study import recordings, report
from pipeline.config import Config

SOUNDS = 60  # of each kind
PEAK = 0.83  # as the notes'
_RATE = nsynth.SAMPLE_RATE_HZ
_TIME = np.arange(nsynth.NOTE_SAMPLES) / _RATE
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Formants in Hz, of English vowels of adults: Peterson and Barney 1952, table II."""
_BATCH_SIZE = 30


def white_noise(rng: np.random.Generator) -> np.ndarray:
    """Make the same power at all frequencies."""
    return rng.normal(size=len(_TIME))


def pink_noise(rng: np.random.Generator) -> np.ndarray:
    """Make noise whose power falls with frequency, as in rooms."""
    spectrum = np.fft.rfft(rng.normal(size=len(_TIME)))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(_TIME))


def hum(rng: np.random.Generator) -> np.ndarray:
    """Make mains hum: 50 or 60 Hz and harmonics, with some noise."""
    hertz = rng.choice((50.0, 60.0))
    strength = rng.uniform(0, 1, 12) / np.arange(1, 13)
    tones = [s * np.sin(2 * np.pi * hertz * k * _TIME) for k, s in enumerate(strength, 1)]
    return np.sum(tones, axis=0) + 0.01 * rng.normal(size=len(_TIME))


def clicks(rng: np.random.Generator) -> np.ndarray:
    """Make ten to forty at random times."""
    sound = np.zeros(len(_TIME))
    sound[rng.integers(0, len(_TIME), rng.integers(10, 40))] = rng.choice((-1.0, 1.0))
    return sound


def siren(rng: np.random.Generator) -> np.ndarray:
    """Make a tone that goes up and down."""
    middle, width, turns = rng.uniform(500, 1500), rng.uniform(0.2, 0.6), rng.uniform(0.5, 3)
    hertz = middle * (1 + width * np.sin(2 * np.pi * turns * _TIME))
    return signal.sawtooth(2 * np.pi * np.cumsum(hertz) / _RATE, 0.5)


def speech(rng: np.random.Generator) -> np.ndarray:
    """Make syllables: a buzz of changing pitch through the formants of vowels, hisses and pauses between them."""
    sound, start = np.zeros(len(_TIME)), 0
    voice = rng.uniform(90, 220)
    while start < len(_TIME):
        length = int(_RATE * rng.uniform(0.1, 0.3))
        hertz = voice * np.linspace(rng.uniform(0.9, 1.3), rng.uniform(0.8, 1.1), length)
        part = signal.sawtooth(2 * np.pi * np.cumsum(hertz) / _RATE)
        for formant in _VOWELS[rng.integers(len(_VOWELS))]:
            part = signal.lfilter(*signal.iirpeak(formant, formant / 90, _RATE), part) + 0.2 * part
        hiss = signal.lfilter([1, -0.9], [1], rng.normal(size=int(_RATE * rng.uniform(0.03, 0.1))))
        syllable = np.concatenate(
            [
                0.1 * hiss,
                part / np.abs(part).max() * np.hanning(length),
                np.zeros(int(_RATE * rng.uniform(0, 0.1))),
            ]
        )
        room = len(_TIME) - start
        sound[start : start + len(syllable)] = syllable[:room]
        start += len(syllable)
    return sound


KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "white noise": white_noise,
    "pink noise": pink_noise,
    "mains hum": hum,
    "clicks": clicks,
    "siren": siren,
    "like speech": speech,
}


def made_up(make: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
    """Make sounds of one kind, always the same ones: float32 [SOUNDS, nsynth.NOTE_SAMPLES]."""
    sounds = [make(np.random.default_rng(number)) for number in range(SOUNDS)]
    return np.stack([PEAK * sound / np.abs(sound).max() for sound in sounds]).astype(np.float32)


@click.command()
@settings_options("configs/demo.yaml")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
def main(settings: Config, seeds: int) -> None:
    """Print how often novelty is above 1, for each kind of sound."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    folders, valid = models(settings, seeds), valid_files(settings)
    table = Table("sounds", "number", "above 1, %, mean of the models", "least and most",
                  title=f"Novelty of {len(folders)} models, 95 % interval where there are instruments")  # fmt: skip
    for name, number, above, interval in rows(folders, valid, settings.workspace / "benchmarks" / "novelty"):
        edges = f"{100 * above.min():.1f} to {100 * above.max():.1f}"
        table.add_row(name, f"{number:,}", interval or f"{100 * above.mean():.1f}", edges)
    report.print_table(table)


def rows(folders: list[Path], valid: list[Path], work: Path) -> Iterator[tuple[str, int, np.ndarray, str]]:
    """Yield name, number of sounds, share above 1 by model, and their mean with an interval in words or nothing."""
    sets = {"valid notes: false alarms": valid}
    if file := recordings.notes_file("choosing", work):
        sets["recordings of instruments"] = [file]
    for name, files in sets.items():
        told = [ask(folder, files) for folder in folders]
        above = np.stack([answers.novelty > 1 for answers in told])
        found = report.resampled(told[0].instruments).mean(above.mean(axis=0))
        yield name, above.shape[1], above.mean(axis=1), report.percent(found, 1)
    loaded = [_novelty(folder) for folder in folders]
    for name, make in KINDS.items():
        sounds = made_up(make)
        yield name, len(sounds), np.array([(novelty(sounds) > 1).mean() for novelty in loaded]), ""


def _novelty(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    model = tf.saved_model.load(
        str(folder)
    )  # kept by the function: its signatures alone do not keep its variables

    def novelty(sounds: np.ndarray) -> np.ndarray:
        parts = (sounds[start : start + _BATCH_SIZE] for start in range(0, len(sounds), _BATCH_SIZE))
        answer = model.signatures["serving_waveform"]
        return np.concatenate([answer(audio=tf.constant(part))["novelty"].numpy() for part in parts])

    return novelty


if __name__ == "__main__":
    main()

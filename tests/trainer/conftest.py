"""Synthetic transformed notes: families differ in where their energy lies, instruments in how strongly."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import nsynth
from trainer.options import AugmentOptions, RecipeOptions
from transform import features
from transform.options import SpectrogramOptions

if TYPE_CHECKING:
    from trainer.index import NoteIndex

SPECTROGRAM = SpectrogramOptions(hop_length=2048, n_fft=2048, n_mels=44)  # 32 frames


def write_notes(folder: Path, instruments: dict[str, int], seed: int = 0, shards: int = 2) -> str:
    """Writes transformed notes ordered by family; `instruments` gives each one's number of notes.

    Returns:
      the pattern of the files.
    """
    import tensorflow as tf

    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    records = [
        _note(name, number, generator)
        for name, notes in sorted(instruments.items())
        for number in range(notes)
    ]
    for shard, part in enumerate(np.array_split(np.array(records, object), shards)):
        path = folder / f"transformed_examples-{shard:05d}-of-{shards:05d}"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in part:
                writer.write(record)
    return f"{folder}/*"


def _note(instrument: str, number: int, generator: np.random.Generator) -> bytes:
    from transform import codec

    family = nsynth.FAMILIES.index(instrument.rsplit("_", 2)[0])
    log_mel = generator.normal(0, 1, (SPECTROGRAM.frames, SPECTROGRAM.n_mels))
    log_mel[:, 4 * family : 4 * family + 4] += 2
    pitch = 40 + number % 40
    return codec.encode(
        {
            features.LOG_MEL: log_mel,
            features.LABEL_ID: family,
            features.OPTIONAL["source"]: family % 3,
            features.GROUP: instrument.encode(),
            features.NOTE: f"{instrument}-{pitch:03d}-100".encode(),
            features.OPTIONAL["pitch"]: pitch,
            features.OPTIONAL["velocity"]: 100,
        }
    )


def instruments(each: int, per_family: int = 2, first: int = 0) -> dict[str, int]:
    """`per_family` instruments of each family with `each` notes."""
    numbers = range(first, first + per_family)
    return {f"{family}_acoustic_{n:03d}": each for family in nsynth.FAMILIES for n in numbers}


@pytest.fixture(scope="session")
def spectrogram() -> SpectrogramOptions:
    return SPECTROGRAM


@pytest.fixture(scope="session")
def train(tmp_path_factory) -> "NoteIndex":
    return _scanned(write_notes(tmp_path_factory.mktemp("train"), instruments(each=8)))


@pytest.fixture(scope="session")
def dev(tmp_path_factory) -> "NoteIndex":
    return _scanned(write_notes(tmp_path_factory.mktemp("dev"), instruments(each=2, first=5), seed=1))


def _scanned(pattern: str) -> "NoteIndex":
    from trainer import index

    return index.scan(index.expand([pattern]), SPECTROGRAM)


@pytest.fixture
def recipe() -> RecipeOptions:
    """Trains in seconds; all parts of the recipe are on."""
    augment = AugmentOptions(shift_bins=1, shift_frames=2, mask_bins=2, mask_frames=4)
    return RecipeOptions(
        size="tiny", epochs=3, batch_size=16, learning_rate=1e-2, ema_momentum=0.8, augment=augment
    )

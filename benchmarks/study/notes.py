"""Notes to learn from and to be tested on: rendered, recorded or real, with all that the contenders look at.

Everything is computed once and kept in a folder. The spectrograms are the pipeline's own, before normalization, which
needs the train notes' statistics and is done for each fold anew.
"""

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import librosa
import numpy as np
import tensorflow as tf

import nsynth
from benchmarks.study import musicnn, recordings
from corpus.fonts import KNOWN_FONTS, find_font
from corpus.options import CorpusOptions
from corpus.overview import TABLE_FILE
from corpus.render import render_corpus
from corpus.splits import SPLITS
from trainer import index
from transform.log_mel import log_mel
from transform.options import SpectrogramOptions

SOUNDFONTS = ("TimGM6mb", "FluidR3Mono", "sonivox", "GeneralUser")
CHOOSING_FONTS = ("TimGM6mb", "FluidR3Mono")
"""Held out in turn to choose recipes on; the others are for what has been chosen."""
TESTED = CorpusOptions(size=12, velocities_per_pitch=1, extra_semitones=12, seed=1)
"""The notes of a font that is held out: as NSynth's, up to an octave beyond the natural range."""
IMAGE = 128  # pixels of the ancestor's square input
_ANCESTOR_FRAME, _ANCESTOR_HOP = 1024, 64  # samples
_CEPSTRA = 20
_BATCH = 32
_ARRAYS = ("log_mel", "image", "statistics")
_LABELS = {
    nsynth.FAMILY: tf.int64,
    nsynth.SOURCE: tf.int64,
    nsynth.PITCH: tf.int64,
    nsynth.VELOCITY: tf.int64,
    nsynth.INSTRUMENT_STR: tf.string,
    nsynth.NOTE_STR: tf.string,
}


@dataclass(frozen=True)
class Notes:
    """Labels and spectrograms of a set of notes, in one order.

    Attributes:
      labels: by NSynth's feature name, [notes].
      log_mel: float32 [notes, frames, n_mels], not normalized; a file mapped into memory.
      image: float16 [notes, IMAGE, IMAGE], the ancestor's input; likewise.
      statistics: float32 [notes, k], the classical opponents' input, see `_statistics`; likewise.
      group: int [notes], recording group; no split may have notes of a group that another has.
      font: name of the SoundFont, [notes].
      frozen: float32 [notes, k], features of another's network (benchmarks/study/musicnn.py), where they were computed.
    """

    labels: dict[str, np.ndarray]
    log_mel: np.ndarray
    image: np.ndarray
    statistics: np.ndarray
    group: np.ndarray
    font: np.ndarray
    frozen: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.group)

    @property
    def family(self) -> np.ndarray:
        """int64 [notes], index into nsynth.FAMILIES."""
        return self.labels[nsynth.FAMILY]

    @property
    def instrument(self) -> np.ndarray:
        """Names, [notes]."""
        return self.labels[nsynth.INSTRUMENT_STR]


@dataclass(frozen=True)
class Set:
    """Notes to test on.

    Attributes:
      name: for the tables.
      notes: with all arrays.
      chosen: positions among them, int [n].
    """

    name: str
    notes: Notes
    chosen: np.ndarray

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def families(self) -> np.ndarray:
        """int64 [n]."""
        return self.notes.family[self.chosen]

    @property
    def instruments(self) -> np.ndarray:
        """Names, [n]."""
        return self.notes.instrument[self.chosen]


def installed(soundfonts: Sequence[str]) -> tuple[str, ...]:
    """Those of the fonts that are there; a line for each that is not.

    Raises:
      UserError: fewer than two are left.
    """
    found = []
    for name in soundfonts:
        try:
            find_font(name)
            found.append(name)
        except nsynth.UserError as error:
            click.echo(f"left out: {error}")
    if len(found) < 2:
        raise nsynth.UserError(
            "To hold one SoundFont out, two are needed: `nsynth corpus --fetch` gets some."
        )
    return tuple(found)


def lineage(font: str) -> str:
    """Return the lineage of a font by name; a file of the user's stands for itself."""
    return next((known.lineage for known in KNOWN_FONTS if known.name == font), font)


def rendered(
    options: CorpusOptions, spectrogram: SpectrogramOptions, folder: Path, frozen: bool = False
) -> Notes:
    """Render the notes and compute all arrays, each unless that was done before.

    Raises:
      UserError: a SoundFont is not installed; the message names the package.
    """
    home = folder / f"rendered-{_digest(options.model_dump_json())}"
    home.mkdir(parents=True, exist_ok=True)
    render_corpus(options, home / "corpus")
    files = [home / "corpus" / f"nsynth-{split}.tfrecord" for split in SPLITS]
    with (home / "corpus" / TABLE_FILE).open(newline="", encoding="utf-8") as table:
        rows = {row["instrument_str"].encode(): row for row in csv.DictReader(table)}
    return _notes(files, spectrogram, home, frozen, rows)


def out_of_domain(
    part: str, real: Path | None, spectrogram: SpectrogramOptions, folder: Path, frozen: bool = False
) -> list[Set]:
    """Return the recordings of a part, and the real notes of a folder; what is not to be had is left out."""
    files = {"recordings": recordings.notes_file(part, folder)}
    if real:
        files["real notes"] = real / recordings.REAL_NOTES
    homes = {"recordings": folder / f"recordings-{part}", "real notes": folder / "real"}
    found = {name: _notes([file], spectrogram, homes[name], frozen) for name, file in files.items() if file}
    return [Set(name, notes, np.arange(len(notes))) for name, notes in found.items()]


def _notes(
    files: Sequence[Path],
    spectrogram: SpectrogramOptions,
    home: Path,
    frozen: bool,
    rows: dict[bytes, dict[str, str]] | None = None,
) -> Notes:
    """Read all notes of the files; without rows of a corpus' table each instrument is a group of its own."""
    folder = home / f"spectrograms-{_digest(spectrogram.model_dump_json())}"
    labels = _computed(files, spectrogram, folder)
    names = labels[nsynth.INSTRUMENT_STR]
    if rows:
        group = np.array([int(rows[name]["recording_group"]) for name in names])
        font = np.array([rows[name]["font"] for name in names])
    else:
        _, group = np.unique(names, return_inverse=True)
        font = np.full(len(names), "")
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    features = _frozen_features(files, home) if frozen else None
    return Notes(labels, **arrays, group=group, font=font, frozen=features)


def _computed(files: Sequence[Path], spectrogram: SpectrogramOptions, folder: Path) -> dict[str, np.ndarray]:
    """Keep _ARRAYS and labels (see Notes) of all notes of the files in `folder`; return the labels."""
    stamp = {"options": spectrogram.model_dump_json(), "files": _stamp(files)}
    kept = folder / "labels.npz"
    if not kept.exists() or any(str(np.load(kept)[key]) != value for key, value in stamp.items()):
        folder.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        written = _compute(files, spectrogram, folder) | {
            key: np.array(value) for key, value in stamp.items()
        }
        part = kept.with_name(".labels.npz")
        np.savez(part, allow_pickle=False, **written)
        part.rename(kept)  # the mark that all is there
    with np.load(kept) as stored:
        return {name: stored[name] for name in _LABELS}


def _compute(files: Sequence[Path], spectrogram: SpectrogramOptions, folder: Path) -> dict[str, np.ndarray]:
    spec = {name: tf.io.FixedLenFeature([], dtype) for name, dtype in _LABELS.items()}
    spec[nsynth.AUDIO] = tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)

    def compute(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        notes = tf.io.parse_example(serialized, spec)
        audio = notes.pop(nsynth.AUDIO)
        return {**notes, "log_mel": log_mel(audio, spectrogram), "image": ancestor_image(audio)}

    records = tf.data.TFRecordDataset([str(file) for file in files])
    count = sum(len(index.offsets_and_checksums(file)[0]) for file in files)
    arrays = {
        "log_mel": _mapped(folder, "log_mel", (count, spectrogram.frames, spectrogram.n_mels), np.float32),
        "image": _mapped(folder, "image", (count, IMAGE, IMAGE), np.float16),
    }
    labels: dict[str, list[np.ndarray]] = {name: [] for name in _LABELS}
    done = 0
    batches = records.batch(_BATCH).map(compute, num_parallel_calls=os.cpu_count(), deterministic=True)
    for batch in batches.prefetch(1).as_numpy_iterator():
        size = len(batch[nsynth.FAMILY])
        for name, array in arrays.items():
            array[done : done + size] = batch[name]
        for name, values in labels.items():
            values.append(batch[name])
        done += size
    for array in arrays.values():
        array.flush()
    np.save(folder / "statistics.npy", np.stack([_statistics(note) for note in arrays["log_mel"]]))
    return {
        name: np.concatenate(values).astype("S" if _LABELS[name] == tf.string else np.int64)
        for name, values in labels.items()
    }


def _mapped(folder: Path, name: str, shape: tuple[int, ...], dtype: type) -> np.memmap:
    return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)


def _statistics(log_mel: np.ndarray) -> np.ndarray:
    """Return mean, deviation, maximum and mean change over time of each mel bin and of 20 MFCCs of one note."""
    decibels = np.asarray(log_mel).T * (10 / np.log(10))  # [n_mels, frames]
    rows = np.concatenate([decibels, librosa.feature.mfcc(S=decibels, n_mfcc=_CEPSTRA)])
    change = np.abs(np.diff(rows, axis=1)).mean(axis=1)
    return np.concatenate([rows.mean(axis=1), rows.std(axis=1), rows.max(axis=1), change]).astype(np.float32)


def ancestor_image(audio: tf.Tensor) -> tf.Tensor:
    """Return what the ancestor saw: magnitudes on a linear frequency scale, min-max scaled clip by clip, resized.

    Args:
      audio: float32 [batch, samples].

    Returns:
      float16 [batch, IMAGE, IMAGE].
    """
    magnitude = tf.abs(tf.signal.stft(audio, _ANCESTOR_FRAME, _ANCESTOR_HOP))
    low = tf.reduce_min(magnitude, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(magnitude, axis=(1, 2), keepdims=True)
    scaled = tf.math.divide_no_nan(magnitude - low, high - low)
    return tf.cast(tf.image.resize(scaled[..., tf.newaxis], [IMAGE, IMAGE])[..., 0], tf.float16)


def _frozen_features(files: Sequence[Path], home: Path) -> np.ndarray | None:
    checkpoint = musicnn.weights()
    if checkpoint is None:
        return None
    kept = home / f"musicnn-{_digest(_stamp(files))}.npy"
    if not kept.exists():
        draft = home / "musicnn.part.npy"
        np.save(draft, musicnn.features(_audio(files), checkpoint))
        draft.rename(kept)
    features: np.ndarray = np.load(kept, mmap_mode="r")
    return features


def _audio(files: Sequence[Path]) -> Iterator[np.ndarray]:
    spec = {nsynth.AUDIO: tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)}
    for record in tf.data.TFRecordDataset([str(file) for file in files]):
        yield tf.io.parse_single_example(record, spec)[nsynth.AUDIO].numpy()


def _stamp(files: Sequence[Path]) -> str:
    return str([(file.name, file.stat().st_mtime) for file in files])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

"""What `benchmarks.travel` learns from and tests on: rendered notes of several lineages, recordings, real notes."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

import nsynth
from benchmarks import musicnn, recordings
from benchmarks.accuracy_data import Notes, computed
from benchmarks.accuracy_folds import HELD_OUT, Fold, with_dev
from corpus.fonts import KNOWN_FONTS, find_font
from corpus.options import CorpusOptions
from corpus.overview import TABLE_FILE
from corpus.render import render_corpus
from corpus.splits import SPLITS
from transform.options import SpectrogramOptions

SOUNDFONTS = ("TimGM6mb", "FluidR3Mono", "sonivox", "GeneralUser")
CHOOSING_FONTS = ("TimGM6mb", "FluidR3Mono")
"""Held out in turn to choose recipes on; the others are for what has been chosen."""
TESTED = CorpusOptions(size=12, velocities_per_pitch=1, extra_semitones=12, seed=1)
"""The notes of a font that is held out: as NSynth's, up to an octave beyond the natural range."""
_REAL_NOTES = "nsynth-train.tfrecord"


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


def rendered(options: CorpusOptions, spectrogram: SpectrogramOptions, folder: Path, frozen: bool) -> Notes:
    """Render the notes and compute all arrays, each unless that was done before."""
    home = folder / f"rendered-{_digest(options.model_dump_json())}"
    home.mkdir(parents=True, exist_ok=True)
    render_corpus(options, home / "corpus")
    files = [home / "corpus" / f"nsynth-{split}.tfrecord" for split in SPLITS]
    with (home / "corpus" / TABLE_FILE).open(newline="", encoding="utf-8") as table:
        rows = {row["instrument_str"].encode(): row for row in csv.DictReader(table)}
    return _notes(files, spectrogram, home, frozen, rows)


def from_elsewhere(
    final: bool, real: Path | None, spectrogram: SpectrogramOptions, folder: Path, frozen: bool
) -> list[Set]:
    """Return the recordings of the part, and in the final one the real notes; what is not to be had is left out."""
    families = recordings.FINAL if final else recordings.CHOOSING
    home = folder / f"recordings-{'final' if final else 'choosing'}"
    archives = recordings.fetch(folder / "packages", list(families))
    sets = []
    if archives:
        home.mkdir(parents=True, exist_ok=True)
        recordings.write_notes(archives, families, home / "notes.tfrecord")
        notes = _notes([home / "notes.tfrecord"], spectrogram, home, frozen)
        sets.append(Set("recordings", notes, np.arange(len(notes))))
    if final and real:
        notes = _notes([real / _REAL_NOTES], spectrogram, folder / "real", frozen)
        sets.append(Set("real notes", notes, np.arange(len(notes))))
    return sets


def held_out(lessons: Notes, tested: Notes, font: str) -> tuple[Fold, Set]:
    """Return who learns from what where a font is held out, and the test on that font.

    No recording that the font's notes are made of is learned from, in whatever font. The fold's `test` is empty.
    """
    chosen = np.flatnonzero(tested.font == font)
    known = np.flatnonzero((lessons.font != font) & ~np.isin(lessons.group, tested.group[chosen]))
    fold = with_dev(HELD_OUT + font, lessons, known, np.arange(0))
    return fold, Set(f"{lineage(font)} held out", tested, chosen)


def lineage(font: str) -> str:
    """Return the lineage of a font by name; a file of the user's stands for itself."""
    return next((known.lineage for known in KNOWN_FONTS if known.name == font), font)


def _notes(
    files: Sequence[Path],
    spectrogram: SpectrogramOptions,
    home: Path,
    frozen: bool,
    rows: dict[bytes, dict[str, str]] | None = None,
) -> Notes:
    arrays = home / f"spectrograms-{_digest(spectrogram.model_dump_json())}"
    labels, log_mel, image, statistics = computed(files, spectrogram, arrays)
    names = labels[nsynth.INSTRUMENT_STR]
    if rows:
        group = np.array([int(rows[name]["recording_group"]) for name in names])
        font = np.array([rows[name]["font"] for name in names])
    else:
        _, group = np.unique(names, return_inverse=True)
        font = np.full(len(names), "")
    features = _frozen_features(files, home) if frozen else None
    return Notes(labels, log_mel, image, statistics, group, font, features)


def _frozen_features(files: Sequence[Path], home: Path) -> np.ndarray | None:
    checkpoint = musicnn.weights()
    if checkpoint is None:
        return None
    made_of = _digest(str([(file.name, file.stat().st_mtime) for file in files]))
    kept = home / f"musicnn-{made_of}.npy"
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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

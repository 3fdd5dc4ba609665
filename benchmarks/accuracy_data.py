"""What the contenders of `benchmarks.accuracy` learn from: rendered notes, their spectrograms, computed once.

The spectrograms are the pipeline's own, before normalization: `transform.log_mel`. Normalization needs the train
notes' statistics and is therefore done for each fold anew, see `write_split`.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import tensorflow as tf

import nsynth
from corpus.options import CorpusOptions
from corpus.overview import TABLE_FILE
from corpus.render import render_corpus
from corpus.splits import SPLITS
from trainer import index
from transform import codec, features
from transform.log_mel import log_mel
from transform.options import SpectrogramOptions
from transform.preprocessing import MIN_DEVIATION

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
      frozen: float32 [notes, k], features of another's network (benchmarks/musicnn.py), where they were computed.
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


def rendered_notes(options: CorpusOptions, spectrogram: SpectrogramOptions, folder: Path) -> Notes:
    """Render the corpus and compute its spectrograms, each unless that was done before.

    Raises:
      UserError: a SoundFont is not installed; the message names the package.
    """
    summary = render_corpus(options, folder / "corpus")
    if summary.rendered:
        print(f"rendered {summary.total_notes:,} notes in {summary.seconds:.0f} s", flush=True)
    files = [folder / "corpus" / f"nsynth-{split}.tfrecord" for split in SPLITS]
    made = computed(files, spectrogram, folder / "spectrograms")
    with (folder / "corpus" / TABLE_FILE).open(newline="", encoding="utf-8") as table:
        rows = {row["instrument_str"].encode(): row for row in csv.DictReader(table)}
    names = made[0][nsynth.INSTRUMENT_STR]
    group = np.array([int(rows[name]["recording_group"]) for name in names])
    return Notes(*made, group=group, font=np.array([rows[name]["font"] for name in names]))


def real_notes(file: Path, spectrogram: SpectrogramOptions, folder: Path) -> Notes:
    """Real NSynth notes from a TFRecord file; each instrument stands for itself."""
    made = computed([file], spectrogram, folder / "real")
    _, group = np.unique(made[0][nsynth.INSTRUMENT_STR], return_inverse=True)
    return Notes(*made, group=group, font=np.full(len(group), "NSynth"))


def computed(
    files: Sequence[Path], spectrogram: SpectrogramOptions, folder: Path
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, log_mel, image and statistics (see Notes) of all notes of the files, kept in `folder`."""
    written = {
        "options": spectrogram.model_dump_json(),
        "files": str([(f.name, f.stat().st_mtime) for f in files]),
    }
    kept = folder / "labels.npz"
    if not kept.exists() or any(str(np.load(kept)[key]) != value for key, value in written.items()):
        folder.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        labels = _compute(files, spectrogram, folder)
        part = kept.with_name(".labels.npz")
        np.savez(part, **{**labels, **written})
        part.rename(kept)  # the mark that all is there
    with np.load(kept) as stored:
        labels = {name: stored[name] for name in _LABELS}
    log_mel, image, statistics = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
    return labels, log_mel, image, statistics


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


Normalize = Callable[[np.ndarray], np.ndarray]


def normalizer(notes: Notes, train: np.ndarray, per_bin: bool = True) -> Normalize:
    """Return zero mean and unit deviation over the notes at `train`, for each mel bin as in Transform, or over all."""
    sums = squares = 0.0
    for note in _batches(train):
        batch = np.asarray(notes.log_mel[note], np.float64)
        sums, squares = sums + batch.mean(axis=1).sum(axis=0), squares + (batch**2).mean(axis=1).sum(axis=0)
    mean, square = sums / len(train), squares / len(train)
    if not per_bin:
        mean, square = np.mean(mean), np.mean(square)
    deviation = np.maximum(np.sqrt(square - mean**2), MIN_DEVIATION)
    return lambda spectrogram: ((spectrogram - mean) / deviation).astype(np.float32)


def write_split(notes: Notes, chosen: np.ndarray, normalize: Normalize, file: Path) -> Path:
    """Write the notes at `chosen` as Transform does, for the Trainer's own input to read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = {
        **features.RAW,
    }
    with tf.io.TFRecordWriter(str(file)) as writer:
        for batch in _batches(chosen):
            values = {name: notes.labels[raw][batch] for name, raw in names.items()}
            values[features.LOG_MEL] = normalize(notes.log_mel[batch])
            for record in codec.encode_batch(values):
                writer.write(record)
    return file


def _batches(chosen: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(chosen), 256):
        yield np.sort(chosen)[start : start + 256]

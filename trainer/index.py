"""The position of each transformed note in its file, so that training can draw notes in any order.

The index has some 40 bytes per note and no spectrograms (12 MB for the full NSynth).
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

import nsynth
from transform import codec, features
from transform.options import SpectrogramOptions

_HEADER = struct.Struct("<QI")  # bytes of the payload; checksum of that number
_CHECKSUM = struct.Struct("<I")  # of the payload, after it
_SCAN_BATCH = 256  # notes whose labels are parsed at once


@dataclass(frozen=True)
class NoteIndex:
    """All notes of some uncompressed TFRecord files, in file order.

    Attributes:
      files: the files.
      file: int32 [notes], index into `files`.
      offset: int64 [notes], byte at which the record starts.
      family: int32 [notes], index into nsynth.CLASSES.
      instrument: int32 [notes], index into `instruments`.
      instruments: names, sorted.
      fingerprint: hash over the checksums of all records: the same notes in the same order.
    """

    files: tuple[str, ...]
    file: np.ndarray
    offset: np.ndarray
    family: np.ndarray
    instrument: np.ndarray
    instruments: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.offset)


def expand(patterns: Sequence[str]) -> tuple[str, ...]:
    """List the files behind patterns such as `folder/Split-train/*`, sorted.

    Raises:
      UserError: no file matches.
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    if not files:
        raise nsynth.UserError(f"no transformed examples match {', '.join(patterns)}; run Transform first")
    return tuple(files)


def scan(files: Sequence[str], spectrogram: SpectrogramOptions) -> NoteIndex:
    """Read each record once and store its position and labels.

    Args:
      files: uncompressed TFRecord files of transformed notes.
      spectrogram: spectrogram options of the notes.

    Raises:
      UserError: a file is compressed, truncated or contains no transformed notes, or there are no notes.
    """
    placed = [offsets_and_checksums(Path(file)) for file in files]
    counts = [len(offsets) for offsets, _ in placed]
    if not sum(counts):
        raise nsynth.UserError(f"no notes in {', '.join(files)}; check the splits that ingest reported")
    family, names = _labels(files, spectrogram)
    instruments, instrument = np.unique(names, return_inverse=True)
    digest = hashlib.sha256(b"".join(checksums for _, checksums in placed))
    return NoteIndex(
        files=tuple(files),
        file=np.repeat(np.arange(len(files), dtype=np.int32), counts),
        offset=np.concatenate([np.asarray(offsets, np.int64) for offsets, _ in placed]),
        family=family.astype(np.int32),
        instrument=instrument.astype(np.int32),
        instruments=tuple(name.decode() for name in instruments),
        fingerprint=digest.hexdigest(),
    )


class Reader:
    """Reader for notes at any position in the files; tf.data's reader would be set up again for each note."""

    def __init__(self, index: NoteIndex):
        """Open the files for the lifetime of the reader."""
        self._index = index
        self._files = [open(file, "rb") for file in index.files]  # noqa: SIM115

    def __call__(self, notes: np.ndarray) -> np.ndarray:
        """Return serialized tf.Examples, bytes [n], of the notes at these positions of the index, int [n].

        Raises:
          OSError: a file cannot be read.
        """
        return np.array([self._read(note) for note in notes], object)

    def _read(self, note: int) -> bytes:
        # Not memory-mapped: memory use would seem to grow with every note that is read.
        descriptor = self._files[self._index.file[note]].fileno()
        start = int(self._index.offset[note])
        length, _ = _HEADER.unpack(os.pread(descriptor, _HEADER.size, start))
        return os.pread(descriptor, length, start + _HEADER.size)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def offsets_and_checksums(path: Path) -> tuple[list[int], bytes]:
    """Find the records of a file without reading the payloads."""
    size = path.stat().st_size
    offsets, checksums = [], bytearray()
    with path.open("rb") as file:
        start = 0
        while start < size:
            file.seek(start)
            header = file.read(_HEADER.size)
            length = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else size
            end = start + _HEADER.size + length + _CHECKSUM.size
            if end > size:
                raise nsynth.UserError(
                    f"{path} is truncated, compressed or no TFRecord file: the record at byte {start} does not "
                    "end inside it; run Transform again"
                )
            file.seek(end - _CHECKSUM.size)
            checksums += file.read(_CHECKSUM.size)
            offsets.append(start)
            start = end
    return offsets, bytes(checksums)


def _labels(files: Sequence[str], spectrogram: SpectrogramOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return families int64 [notes] and instrument names bytes [notes], in file order."""
    parsed = (
        tf.data.TFRecordDataset(list(files))
        .batch(_SCAN_BATCH)
        .map(lambda serialized: _only_labels(codec.parse_batch(serialized, spectrogram)))
        .prefetch(1)
    )
    try:
        batches = list(parsed.as_numpy_iterator())
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
        raise nsynth.UserError(
            f"{files[0]} and its neighbours hold no notes transformed with these spectrogram options "
            f"({spectrogram.frames} frames × {spectrogram.n_mels} mels): {str(error)[:200]}"
        ) from error
    families, names = zip(*batches, strict=True)
    return np.concatenate(families), np.concatenate(names)


def _only_labels(notes: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    family = notes[features.LABEL_ID]
    # Without this use of the spectrograms, TensorFlow would prune them and not check their size.
    sizes_fit = tf.debugging.assert_equal(tf.shape(notes[features.LOG_MEL])[0], tf.size(family))
    with tf.control_dependencies([sizes_fit]):
        return tf.identity(family), notes[features.GROUP]

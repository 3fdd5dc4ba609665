"""Where each record of a source lies. Found by one scan of the headers, stored, and reused while the file stays."""

import contextlib
import dataclasses
import hashlib
import io
import os
import zipfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

import nsynth
from components import tfrecord
from components.ingest import audio_files, files, jsonwav, parallel_scan, tfds
from components.ingest.sources import Form, Source
from components.ingest.unpack import FOLDER_PREFIX, remove_unpacked, unpack
from components.tfrecord import Damage, Record

_LAYOUT = 2  # of a stored index; a change makes old ones unread
_SHORTEST_NOTE = 4 * nsynth.NOTE_SAMPLES  # bytes of a record
_FAULTS_LIMIT = 100_000  # damaged places, or records too short for a note, beyond which a file is given up


@dataclass(frozen=True)
class Index:
    """The records of a seekable source, in its order."""

    source: Source
    offsets: np.ndarray  # int64[notes], bytes
    lengths: np.ndarray  # uint32[notes] or int64[notes], bytes
    damage: list[Damage]

    @property
    def notes(self) -> int:
        """How many records can be found."""
        return len(self.offsets)

    @property
    def bytes(self) -> int:
        """How large its notes are as TFRecords, about: the sound of some forms is in other files."""
        if self.source.form in (Form.JSONWAV, Form.AUDIO):
            return self.notes * 4 * nsynth.NOTE_SAMPLES
        return int(self.lengths.sum())


def load_or_scan(source: Source, cache_dir: str) -> Index:
    """Return the index of a source; from the cache if the file is the one that it was made from.

    A source that cannot be read from the middle is unpacked into the cache first.

    Raises:
        nsynth.UserError: the file cannot be read.
        nsynth.RefusedDataError: it is empty or is not what its name says.
    """
    if source.form == Form.AUDIO:
        return _listed(source, cache_dir)
    try:
        return _load_or_scan(source, cache_dir)
    except OSError as error:
        raise nsynth.UserError(f"{error.filename or source.path}: {error.strerror or error}.") from error


def _load_or_scan(source: Source, cache_dir: str) -> Index:
    key = _key(source)
    if files.is_local(source.path):
        files.open_to_read(source.path).close()
    else:
        source = source._replace(version=files.identity(source.path))
    if not source.form.seekable:
        source = unpack(source, os.path.join(cache_dir, FOLDER_PREFIX + key))
    stored = os.path.join(cache_dir, f"index-{key}.npz")
    index = _load(stored, source)
    if index is None:
        index = scan(source)
        files.refuse_changed(source.path, source.version)
        _store(index, stored)
    if source.form == Form.TFRECORD and _holds_tfds(index):
        index = dataclasses.replace(index, source=source._replace(form=Form.TFDS))
    return index


def _listed(source: Source, cache_dir: str) -> Index:
    """Return the index of audio files: their manifest, which is kept in the cache, is what is read from."""
    content = audio_files.manifest(source.path, source.rows)
    path = os.path.join(cache_dir, f"manifest-{hashlib.sha256(content).hexdigest()[:24]}.jsonl")
    if not files.exists(path):
        with files.whole_file(path, cache_dir) as file:
            file.write(content)
    lengths = np.array([len(line) for line in content.splitlines(keepends=True)], np.int64)
    if not lengths.size:
        raise nsynth.RefusedDataError(f"{source.path} lists no audio files.")
    return Index(source._replace(manifest=path), np.cumsum(lengths) - lengths, lengths, [])


def _key(source: Source) -> str:
    identity = f"{_LAYOUT}|{source.form}|{source.path}|{files.identity(source.path)}"
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:24]


@contextlib.contextmanager
def open_indexes(sources: Sequence[Source], cache_dir: str) -> Iterator[list[Index]]:
    """Yield the indexes of all sources; what was unpacked for them is removed at the end.

    Raises:
        nsynth.UserError: see `load_or_scan`.
    """
    folders = []
    for source in sources:
        with contextlib.suppress(OSError):  # load_or_scan will say so
            if not source.form.seekable:
                folders.append(os.path.join(cache_dir, FOLDER_PREFIX + _key(source)))
    try:
        yield [load_or_scan(source, cache_dir) for source in sources]
    finally:
        remove_unpacked(folders, cache_dir)


def _holds_tfds(index: Index) -> bool:
    with files.open_to_read(index.source.path) as file:
        first = Record(int(index.offsets[0]), int(index.lengths[0]))
        return tfds.is_tfds(tfrecord.read_data(file, first)[0])


def scan(source: Source) -> Index:
    """Find the records of a seekable source.

    Raises:
        nsynth.RefusedDataError: the file is empty or is not what its name says.
    """
    size = files.stat(source.path).size
    offsets, lengths, damage = array("q"), array("q"), []
    too_short = 0
    with files.open_to_read(source.path, source.version) as file:
        try:
            for found in _scan_form(source, file, size):
                if isinstance(found, Damage):
                    damage.append(found)
                else:
                    offsets.append(found.offset)
                    lengths.append(found.length)
                    too_short += source.form != Form.JSONWAV and found.length < _SHORTEST_NOTE
                if len(damage) > _FAULTS_LIMIT or too_short > _FAULTS_LIMIT:
                    raise tfrecord.DamagedEverywhereError
        except tfrecord.DamagedEverywhereError as error:
            raise nsynth.RefusedDataError(
                f"{source.path} is not a TFRecord of notes: too many of its records are damaged or too short. "
                "Download it again or remove it from the folder."
            ) from error
        if damage and damage[-1].offset + damage[-1].length == size:
            missing = tfrecord.missing_bytes(file, size, damage[-1])
            if missing:
                raise nsynth.RefusedDataError(
                    f"{source.path} is truncated after {size:,} bytes: its last record lacks {missing:,} bytes, and "
                    "the number of missing notes is unknown. Download it again."
                )
    if not offsets:
        what = "is empty" if not size else "is not a TFRecord of notes: no record header in it holds"
        raise nsynth.RefusedDataError(
            f"{source.path} {what}. Download it again or remove it from the folder."
        )
    narrow = np.uint32 if max(lengths) < 1 << 32 else np.int64
    return Index(source, np.array(offsets, np.int64), np.array(lengths, narrow), damage)


def _scan_form(source: Source, file: BinaryIO, size: int) -> Iterable[Record | Damage]:
    if source.form == Form.JSONWAV:
        return jsonwav.scan(file, source.path)
    tfrecord.advise_random_access(file)
    return parallel_scan.records(file, size) or tfrecord.scan(file, size)


def _store(index: Index, path: str) -> None:
    buffer = io.BytesIO()
    damage = np.array(index.damage, np.int64).reshape(-1, 2)
    np.savez(buffer, offsets=index.offsets, lengths=index.lengths, damage=damage)
    with files.whole_file(path, os.path.dirname(path)) as file:
        file.write(buffer.getvalue())


def _load(path: str, source: Source) -> Index | None:
    if not files.exists(path):
        return None
    try:
        with files.open_to_read(path) as file, np.load(io.BytesIO(file.read())) as stored:
            damage = [Damage(*map(int, place)) for place in stored["damage"]]
            return Index(source, stored["offsets"], stored["lengths"], damage)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # unreadable: scan again

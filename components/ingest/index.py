"""Where each record of a source lies. Found by one scan of the headers, stored, and reused while the file stays."""

import dataclasses
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass

import numpy as np

import nsynth
from components import tfrecord
from components.ingest import files, jsonwav, tfds
from components.ingest.sources import Form, Source
from components.ingest.unpack import unpack
from components.tfrecord import Damage, Record

_LAYOUT = 1  # of a stored index; a change makes old ones unread


@dataclass(frozen=True)
class Index:
    """The records of a seekable source, in its order."""

    source: Source
    offsets: np.ndarray  # int64[notes], bytes
    lengths: np.ndarray  # int64[notes], bytes
    damage: list[Damage]

    @property
    def notes(self) -> int:
        """How many records can be found."""
        return len(self.offsets)


def load_or_scan(source: Source, cache_dir: str) -> Index:
    """The index of a source; from the cache if the file is the one that it was made from.

    A source that cannot be read from the middle is unpacked into the cache first.

    Raises:
        nsynth.UserError: the file cannot be read.
        nsynth.RefusedDataError: it is empty or is not what its name says.
    """
    try:
        state = files.identity(source.path)
        files.open_to_read(source.path).close()
    except OSError as error:
        raise nsynth.UserError(f"{source.path}: {error.strerror or error}.") from error
    identity = f"{_LAYOUT}|{source.form}|{source.path}|{state}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:24]
    if not source.form.seekable:
        source = unpack(source, os.path.join(cache_dir, f"unpacked-{key}"))
    stored = os.path.join(cache_dir, f"index-{key}.npz")
    index = _load(stored, source)
    if index is None:
        index = scan(source)
        _store(index, stored)
    if source.form == Form.TFRECORD and _holds_tfds(index):
        index = dataclasses.replace(index, source=source._replace(form=Form.TFDS))
    return index


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
    records: list[Record] = []
    damage: list[Damage] = []
    with files.open_to_read(source.path) as file:
        if source.form == Form.JSONWAV:
            records.extend(jsonwav.scan(file, source.path))
        else:
            tfrecord.advise_random_access(file)
            for found in tfrecord.scan(file, size):
                (records if isinstance(found, Record) else damage).append(found)  # type: ignore[arg-type]
    if not records:
        what = "is empty" if not size else "is not a TFRecord of notes: no record header in it holds"
        raise nsynth.RefusedDataError(
            f"{source.path} {what}. Download it again or take it out of the folder."
        )
    places = np.array(records, np.int64).reshape(-1, 2)
    return Index(source, places[:, 0].copy(), places[:, 1].copy(), damage)


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

"""Archives made seekable: gzip and tar can only be read from the front, columns only in groups of rows. They are
unpacked once, streaming.

Memory stays constant; the disk needs room for what is inside.
"""

import contextlib
import gzip
import lzma
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

import nsynth
from components.ingest import columnar, files
from components.ingest.sources import AUDIO_FOLDER, EXAMPLES_JSON, Form, Source, split_of
from components.printable import printable

FOLDER_PREFIX = "unpacked-"

_COPY_BYTES = 1 << 20
_RATIO_LIMIT, _LEAST_LIMIT = 100, 1 << 28
_WAV_BYTES = 1 << 24
_NAME_BYTES = 255
_DESCRIPTION_BYTES = 1 << 16
_DESCRIPTIONS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_ABANDONED_S = 2 * 24 * 3600


class _BombError(Exception):
    """What is inside takes far more room than notes would."""

    def __str__(self) -> str:
        return f"unpacked it is more than {_RATIO_LIMIT} times as large"


_DAMAGED = (
    EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, tarfile.TarError, columnar.DamagedError, _BombError,
    ValueError, OverflowError, RecursionError,
)  # fmt: skip


def unpack(source: Source, folder: str) -> Source:
    """Unpack a gzipped TFRecord, a tar of JSON/WAV or a table into `folder`, unless that has been done before.

    What is inside may take at most a hundred times the room of the archive and 256 MB: notes never compress so well.

    Args:
        source: a source that is not seekable.
        folder: belongs to this one version of this source.

    Returns:
        The seekable source in `folder`.

    Raises:
        nsynth.RefusedDataError: the archive is damaged, holds no notes or more than one set of them, or is a bomb.
        OSError: it cannot be read, or changed meanwhile.
    """
    done = os.path.join(folder, "done")
    if source.form == Form.JSONWAV_TAR:
        unpacked = Source(source.split, Form.JSONWAV, os.path.join(folder, EXAMPLES_JSON))
    else:
        unpacked = Source(
            source.split, Form.TFRECORD, os.path.join(folder, f"nsynth-{source.split}.tfrecord")
        )
    if files.exists(done):
        return unpacked
    files.remove_tree(folder)  # what a killed run may have left
    try:
        if source.form == Form.TFRECORD_GZIP:
            _gunzip(source, unpacked.path)
        elif source.form == Form.JSONWAV_TAR:
            _untar(source, folder)
        else:
            _write_rows(source, unpacked.path)
        files.refuse_changed(source.path, source.version)
        with files.whole_file(done, folder):
            pass
    except _DAMAGED as error:
        files.remove_tree(folder)
        raise nsynth.RefusedDataError(f"{source.path}: damaged file ({error}). Download it again.") from error
    except BaseException:
        files.remove_tree(folder)
        raise
    return unpacked


def remove_unpacked(sources: Iterable[str], cache_dir: str) -> None:
    """Remove folders that archives were unpacked into, and what killed runs left in the cache days ago."""
    for folder in sources:
        files.remove_tree(folder)
    for folder in files.match(cache_dir, f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - files.stat(folder).changed_ns / 1e9 > _ABANDONED_S:
                files.remove_tree(folder)


class _Limited:
    """Hands on what is written, up to a limit that follows from the size of the archive."""

    def __init__(self, target: Any, archive: str) -> None:
        self._target = target
        self._left = _limit(archive)

    def write(self, content: bytes) -> int:
        self._left -= len(content)
        if self._left < 0:
            raise _BombError
        return self._target.write(content)


def _limit(archive: str) -> int:
    return _LEAST_LIMIT + _RATIO_LIMIT * files.stat(archive).size


def _gunzip(archive: Source, target: str) -> None:
    with (
        files.open_to_read(archive.path, archive.version) as raw,
        gzip.GzipFile(fileobj=raw) as packed,
        files.whole_file(target, os.path.dirname(target)) as unpacked,
    ):
        shutil.copyfileobj(packed, _Limited(unpacked, archive.path), _COPY_BYTES)


def _write_rows(table: Source, target: str) -> None:
    with (
        files.open_to_read(table.path, table.version) as rows,
        files.whole_file(target, os.path.dirname(target)) as records,
    ):
        columnar.write_tfrecord(
            rows, table.form == Form.PARQUET, cast(BinaryIO, _Limited(records, table.path))
        )


class _Member(tarfile.TarInfo):
    """A member whose description, such as a long name, is not read if it is absurdly long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _DESCRIPTIONS and member.size > _DESCRIPTION_BYTES:
            raise tarfile.ReadError(f"a header of {member.size:,} bytes")
        return member

    def _proc_gnusparse_10(self, *_: Any) -> None:
        raise tarfile.ReadError("a sparse file")  # its map may be of any length


def _untar(source: Source, folder: str) -> None:
    """Unpack examples.json and the WAVs of one set, by their base names: no path in the archive is trusted.

    A WAV that cannot be one of a note, such as a sparse one or one of a name that no file can have, is left out; its
    note will lack it.
    """
    limit, places = _limit(source.path), dict[str, str]()  # kind of member: where it was found
    with (
        files.open_to_read(source.path, source.version) as raw,
        tarfile.open(fileobj=raw, mode="r|*", tarinfo=_Member) as packed,
    ):
        for member in packed:
            if packed.offset > limit:  # ahead of reading what the member holds
                raise _BombError
            parent, name = os.path.split(member.name)
            is_json = name == EXAMPLES_JSON
            if not member.isfile() or name.startswith("._") or not (is_json or name.endswith(".wav")):
                continue
            _refuse_second_set(source, places, is_json, parent)
            if member.issparse() or (not is_json and not _may_be_a_wav(member, name)):
                continue
            _copy_member(packed, member, os.path.join(folder, *(() if is_json else (AUDIO_FOLDER,)), name))
    if EXAMPLES_JSON not in places:
        raise nsynth.RefusedDataError(
            f"{source.path}: no {EXAMPLES_JSON} inside. Expected: NSynth's JSON/WAV archive."
        )


def _may_be_a_wav(member: tarfile.TarInfo, name: str) -> bool:
    return member.size <= _WAV_BYTES and len(os.fsencode(name)) <= _NAME_BYTES and "\0" not in name


def _refuse_second_set(source: Source, places: dict[str, str], is_json: bool, parent: str) -> None:
    kind = EXAMPLES_JSON if is_json else "*.wav"
    if (is_json and kind in places) or places.setdefault(kind, parent) != parent:
        raise nsynth.RefusedDataError(
            f"{source.path} contains more than one set: {kind} in {printable(places[kind])}/ and in "
            f"{printable(parent)}/. Unpack it and give the folder."
        )
    named = split_of(os.path.join(parent, EXAMPLES_JSON)) if is_json else None
    if named and named != source.split:
        raise nsynth.RefusedDataError(
            f"{source.path} would be read as {source.split}, but contains {printable(parent)}/. Rename the archive "
            "accordingly."
        )


def _copy_member(packed: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    content = packed.extractfile(member)
    assert content is not None  # it is a file
    files.make_folder(os.path.dirname(target))
    with open(target, "wb") as file:
        shutil.copyfileobj(content, file, _COPY_BYTES)

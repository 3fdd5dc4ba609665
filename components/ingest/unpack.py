"""Archives made seekable: gzip and tar can only be read from the front, columns only in groups of rows. They are
unpacked once, streaming.

Memory stays constant; the disk needs room for what is inside.
"""

import gzip
import os
import shutil
import tarfile
import zlib

import nsynth
from components.ingest import columnar, files
from components.ingest.sources import AUDIO_FOLDER, EXAMPLES_JSON, Form, Source

_COPY_BYTES = 1 << 20


def unpack(source: Source, folder: str) -> Source:
    """Unpack a gzipped TFRecord, a tar of JSON/WAV or a table into `folder`, unless that has been done before.

    Args:
        source: a source that is not seekable.
        folder: belongs to this one version of this source.

    Returns:
        The seekable source in `folder`.

    Raises:
        nsynth.RefusedDataError: the archive is damaged or holds no notes.
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
            _gunzip(source.path, unpacked.path)
        elif source.form == Form.JSONWAV_TAR:
            _untar(source.path, folder)
        else:
            _write_rows(source, unpacked.path)
        with files.whole_file(done, folder):
            pass
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError, columnar.DamagedError) as error:
        files.remove_tree(folder)
        raise nsynth.RefusedDataError(f"{source.path}: damaged file ({error}). Download it again.") from error
    except BaseException:
        files.remove_tree(folder)
        raise
    return unpacked


def _gunzip(archive: str, target: str) -> None:
    with (
        files.open_to_read(archive) as raw,
        gzip.GzipFile(fileobj=raw) as packed,
        files.whole_file(target, os.path.dirname(target)) as unpacked,
    ):
        shutil.copyfileobj(packed, unpacked, _COPY_BYTES)


def _write_rows(table: Source, target: str) -> None:
    with (
        files.open_to_read(table.path) as rows,
        files.whole_file(target, os.path.dirname(target)) as records,
    ):
        columnar.write_tfrecord(rows, table.form == Form.PARQUET, records)


def _untar(archive: str, folder: str) -> None:
    """Unpack examples.json and the WAVs, by their base names: no path in the archive is trusted."""
    found = False
    with files.open_to_read(archive) as raw, tarfile.open(fileobj=raw, mode="r|*") as packed:
        for member in packed:
            name = os.path.basename(member.name)
            if not member.isfile() or not (name == EXAMPLES_JSON or name.endswith(".wav")):
                continue
            found |= name == EXAMPLES_JSON
            target = os.path.join(folder, name if name == EXAMPLES_JSON else os.path.join(AUDIO_FOLDER, name))
            _copy_member(packed, member, target)
    if not found:
        raise nsynth.RefusedDataError(
            f"{archive}: no {EXAMPLES_JSON} inside. Wanted: NSynth's JSON/WAV archive."
        )


def _copy_member(packed: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    content = packed.extractfile(member)
    assert content is not None  # it is a file
    files.make_folder(os.path.dirname(target))
    if files.is_local(target):
        with open(target, "wb") as file:
            shutil.copyfileobj(content, file, _COPY_BYTES)
    else:
        with files.whole_file(target, os.path.dirname(target)) as file:
            shutil.copyfileobj(content, file, _COPY_BYTES)

"""Files on any file system that Beam can read: local paths, gs://, s3:// and so on.

Local files go straight through the operating system; Beam is imported for the others alone.
"""

import contextlib
import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import atomic
from components.regular_file import open_regular

NO_FAULT_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
"""Errors of the disk or of this process, whatever the file holds; others, such as a missing file, are the data's."""


def is_local(path: str) -> bool:
    """Whether `path` is on this machine's file system."""
    return "://" not in path


def _beam_file_systems() -> Any:
    from apache_beam.io.filesystems import FileSystems  # heavy, and only remote paths need it

    return FileSystems


def open_to_read(path: str) -> BinaryIO:
    """Open `path` as it is: nothing is decompressed, and of local ones only regular files are opened.

    Raises:
        OSError: it is missing, may not be read, or is not a regular file.
    """
    if is_local(path):
        return open_regular(path)
    from apache_beam.io.filesystem import CompressionTypes

    return _beam_file_systems().open(path, compression_type=CompressionTypes.UNCOMPRESSED)


class Stat(NamedTuple):
    """Size in bytes and time of the last change in seconds since 1970."""

    size: int
    changed: float


def stat(path: str) -> Stat:
    """Size and age of a file."""
    if is_local(path):
        found = os.stat(path)
        return Stat(found.st_size, found.st_mtime)
    [match] = _beam_file_systems().match([path])
    return Stat(match.metadata_list[0].size_in_bytes, match.metadata_list[0].last_updated_in_seconds)


def identity(path: str) -> str:
    """Changes with the file: of a local one also if it was rewritten with its size and time of change restored."""
    if is_local(path):
        found = os.stat(path)
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return "{} {}".format(*stat(path))


def exists(path: str) -> bool:
    """Whether there is such a file or folder."""
    return os.path.exists(path) if is_local(path) else _beam_file_systems().exists(path)


def first_line(path: str, longest: int = 500) -> str:
    """The first line of a text file without what cannot be printed; empty where there is none that can be read."""
    try:
        if not exists(path):
            return ""
        with open_to_read(path) as file:
            text = file.read(4 * longest).decode("utf-8", "replace")
    except OSError:
        return ""
    line = next(iter(text.splitlines()), "")
    return "".join(c for c in line if c.isprintable()).strip()[:longest]


def match(folder: str, pattern: str) -> list[str]:
    """Paths below `folder` that match a glob pattern, in order; a local folder's own name is no pattern."""
    if is_local(folder):
        return sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
    [found] = _beam_file_systems().match([os.path.join(folder, pattern)])
    return sorted(metadata.path for metadata in found.metadata_list)


def make_folder(path: str) -> None:
    """Create the folder and its parents; it may exist already."""
    if is_local(path):
        os.makedirs(path, exist_ok=True)
    elif not exists(path):
        _beam_file_systems().mkdirs(path)


def remove_tree(path: str) -> None:
    """Remove a file or folder with all in it, if it is there."""
    if not is_local(path):
        if exists(path):
            _beam_file_systems().delete([path])
    elif os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@contextlib.contextmanager
def whole_file(path: str, scratch: str) -> Iterator[BinaryIO]:
    """Open a file that appears at `path` only when all of it is on the disk.

    It is written in the folder `scratch` (same file system, made if need be) under a name of its own, so that
    retried workers do not meet; on an error nothing is left.
    """
    if is_local(path):
        with atomic.file(Path(path), Path(scratch)) as file:
            yield file
        return
    make_folder(scratch)
    make_folder(os.path.dirname(path))
    partial = os.path.join(scratch, f"{os.path.basename(path)}.{uuid.uuid4().hex}")
    systems = _beam_file_systems()
    try:
        with systems.create(partial) as file:
            yield file
        if systems.exists(path):
            systems.delete([path])
        systems.rename([partial], [path])
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(partial)
        raise

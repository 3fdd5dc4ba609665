"""The one place that names files of data: on this machine, in an object store or on a web server.

What ingest writes is on this machine; what it reads may be at an address (`components.remote`).
"""

import contextlib
import errno
import fnmatch
import glob
import os
import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import atomic
from components.regular_file import open_regular
from components.remote import address, bucket
from components.remote.errors import ChangedError

NO_FAULT_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
"""Errors of the disk, the network or this process, whatever the file holds; others, such as a missing file, are the
data's."""
WEB_NAMES = tuple(f"nsynth-{split}.tfrecord" for split in ("train", "valid", "test"))
"""A web server lists no folders: these files of one are found, or a single one that is named."""

_LINE_LIMIT = 500  # characters of a first line
ASKED_EACH = 32
"""Of so many remote files in a folder each is asked for its ETag."""


class Stat(NamedTuple):
    """Size in bytes and time of the last change in nanoseconds since 1970, 0 where nobody tells."""

    size: int
    changed_ns: int


def is_local(path: str) -> bool:
    """Return whether `path` is on this machine's file system."""
    return not address.is_remote(path)


def open_to_read(path: str, version: str = "") -> BinaryIO:
    """Open `path` as it is: nothing is decompressed, and of local ones only regular files are opened.

    Args:
        path: of the file.
        version: what `identity` told of a remote file; empty takes it as it is now.

    Raises:
        OSError: it is missing, may not be read, is not a regular file, or is another one than `version`.
    """
    if is_local(path):
        return open_regular(path)
    file = address.open_to_read(path)
    refuse_other(path, file.version, version)
    return cast(BinaryIO, file)


def stat(path: str) -> Stat:
    """Return size and age of a file.

    Raises:
        OSError: it is missing, or its store does not answer.
    """
    if is_local(path):
        found = os.stat(path)
        return Stat(found.st_size, found.st_mtime_ns)
    entry = address.entry(path)
    if entry is None:
        raise FileNotFoundError(errno.ENOENT, "no such object", path)
    return Stat(entry.size, entry.changed_ns)


def identity(path: str) -> str:
    """Return what changes with the file, of a local one even if it was rewritten with its size and time restored.

    Raises:
        OSError: it is missing, or its store does not answer.
    """
    if is_local(path):
        found = os.stat(path)
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    with contextlib.closing(address.opened(path)) as opened:
        return opened.version


def refuse_changed(path: str, version: str) -> None:
    """Make sure that a remote file is still the one of `version`; empty is any.

    Raises:
        OSError: it is not, or its store does not answer.
    """
    if version:
        refuse_other(path, identity(path), version)


def refuse_other(path: str, found: str, version: str) -> None:
    """Make sure that the version of a remote file is the one that was looked at; empty is any.

    Raises:
        OSError: it is not.
    """
    if version and found != version:
        raise ChangedError(path)


def exists(path: str) -> bool:
    """Return whether there is such a file or folder.

    Raises:
        OSError: the store refuses, or does not answer.
    """
    return os.path.exists(path) if is_local(path) else address.entry(path) is not None


def is_folder(path: str) -> bool:
    """Return whether `path` is a folder."""
    if is_local(path):
        return os.path.isdir(path)
    entry = address.entry(path)
    return entry is not None and entry.is_folder


def match(folder: str, pattern: str) -> list[str]:
    """Return the paths below `folder` that match a glob pattern, in order; a local folder's own name is no pattern."""
    return list(listing(folder, pattern))


def listing(folder: str, pattern: str) -> dict[str, Stat | None]:
    """Return the same with size and age of each, as far as the listing tells them: a local one does not.

    Raises:
        OSError: the store refuses, or does not answer.
    """
    if is_local(folder):
        return dict.fromkeys(sorted(glob.glob(os.path.join(glob.escape(folder), pattern))))
    if address.is_web(folder):
        named = (posixpath.join(folder, name) for name in WEB_NAMES if fnmatch.fnmatchcase(name, pattern))
        return {url: None for url in named if address.entry(url)}
    found: dict[str, Stat | None] = {folder.rstrip("/"): None}
    *parents, last = pattern.split("/")
    for part in parents:
        found = {entry.address: None for path in found for entry in _children(path, part) if entry.is_folder}
    return {
        entry.address: None if entry.is_folder else Stat(entry.size, entry.changed_ns)
        for path in found
        for entry in _children(path, last)
    }


def marks(place: str) -> dict[str, tuple[str, int]]:
    """List the files at an address, each with what changes with it and when it changed (ns since 1970, 0: not known).

    What changes is size and ETag, which stay when the same content is uploaded again; of many files size and time, as
    the listing tells them, since an ETag takes a request for each.

    Raises:
        OSError: there is nothing, or the store refuses or does not answer.
    """
    if address.is_web(place):
        return {url: (identity(url), 0) for url in (match(place, "*") or [place])}
    found = address.entry(place)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "no such file or folder", place)
    if not found.is_folder:
        return {place: (identity(place), found.changed_ns)}
    listed = {path: told for path, told in below(place) if told}
    if len(listed) > ASKED_EACH:
        return {path: (f"{told.size} {told.changed_ns}", told.changed_ns) for path, told in listed.items()}
    return {path: (identity(posixpath.join(place, path)), told.changed_ns) for path, told in listed.items()}


def names(folder: str) -> dict[str, bool]:
    """Return what is right below a folder, and whether it is a folder.

    Raises:
        OSError: it cannot be read.
    """
    if is_local(folder):
        with os.scandir(folder) as entries:  # of a loop of links, is_dir() is an error
            return {e.name: os.path.isdir(e) if e.is_symlink() else e.is_dir() for e in entries}
    return {posixpath.basename(entry.address): entry.is_folder for entry in bucket.children(folder)}


def below(folder: str) -> Iterator[tuple[str, Stat | None]]:
    """Path, relative to `folder`, of all files below it, and what a listing of remote ones tells; no hidden ones.

    Raises:
        OSError: the store refuses, or does not answer.
    """
    if not is_local(folder):
        for entry in bucket.children(folder, recursive=True):
            path = entry.address.removeprefix(folder.rstrip("/") + "/")
            if not entry.is_folder and not any(part.startswith(".") for part in path.split("/")):
                yield path, Stat(entry.size, entry.changed_ns)
        return
    for parent, folders, found in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in found:
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(parent, name), folder), None


def _children(folder: str, pattern: str) -> list[bucket.Entry]:
    if not glob.has_magic(pattern):
        named = address.entry(f"{folder}/{pattern}")
        return [named] if named else []
    with contextlib.suppress(FileNotFoundError):
        return [
            entry
            for entry in bucket.children(folder)
            if fnmatch.fnmatchcase(name := posixpath.basename(entry.address), pattern)
            and (pattern.startswith(".") or not name.startswith("."))
        ]
    return []


def first_line(path: str) -> str:
    """Return the first line of a text file without what cannot be printed; empty where none can be read."""
    try:
        if not exists(path):
            return ""
        with open_to_read(path) as file:
            text = file.read(4 * _LINE_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""
    line = next(iter(text.splitlines()), "")
    return "".join(c for c in line if c.isprintable()).strip()[:_LINE_LIMIT]


def make_folder(path: str) -> None:
    """Create the folder and its parents; it may exist already."""
    os.makedirs(path, exist_ok=True)


def remove_tree(path: str) -> None:
    """Remove a file or folder with all in it, if it is there."""
    if os.path.isdir(path):
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
    with atomic.file(Path(path), Path(scratch)) as file:
        yield file

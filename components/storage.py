"""Folders of files on a local disk or in an object store, written so that nobody sees half of one.

On a disk a folder appears whole (`atomic`). An object store has no
rename: there `saved_model.pb`, the file that servers look for, is written last.
"""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import atomic

LAST_FILE = "saved_model.pb"


def is_remote(path: str) -> bool:
    """Return whether `path` is the address of an object store, such as gs://bucket/models."""
    return "://" in path


def children(path: str) -> list[str]:
    """Return the names of the files, folders and links right below `path`; none if it does not exist."""
    if is_remote(path):
        gfile = _gfile()
        return [entry.rstrip("/") for entry in gfile.listdir(path)] if gfile.exists(path) else []
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def exists(path: str) -> bool:
    """Return whether a file or folder is there."""
    return _gfile().exists(path) if is_remote(path) else os.path.exists(path)


def read_bytes(path: str) -> bytes:
    """Return the content of one file.

    Raises:
      FileNotFoundError: there is no such file.
      OSError: it cannot be read.
    """
    if is_remote(path):
        with _store_errors(path), _gfile().GFile(path, "rb") as file:
            return file.read()
    # A pipe under the name of a file would otherwise be waited for without end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return opened.read()


def file_bytes(path: str) -> int:
    """Return the size of one file."""
    return _gfile().stat(path).length if is_remote(path) else os.stat(path).st_size


def folder_bytes(path: str) -> int:
    """Return the size of all files below `path`."""
    return sum(file_bytes(f"{path}/{name}") for name in file_names(path))


def disk_use(folder: Path) -> int:
    """Return bytes of all files below a local `folder`, linked ones once; files that vanish meanwhile do not count."""
    sizes = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(parent, name))
            except FileNotFoundError:
                continue
            sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())


def digest(path: str, leave_out: Collection[str] = ()) -> str:
    """Return 32 hex digits of the SHA-256 over names and contents of all files below `path` but those in `leave_out`.

    Raises:
      OSError: something below `path` cannot be read, or is neither file nor folder.
    """
    total = hashlib.sha256()
    for name in sorted(set(file_names(path)).difference(leave_out)):
        content = hashlib.sha256(read_bytes(f"{path}/{name}")).hexdigest()
        total.update(f"{name}\0{content}\0".encode())
    return total.hexdigest()[:32]


def copy_folder(source: str, target: str, leave_out: Collection[str] = ()) -> None:
    """Copy all files below `source` but those in `leave_out` into `target`, `saved_model.pb` last."""
    for name in sorted(
        set(file_names(source)).difference(leave_out), key=lambda name: (name == LAST_FILE, name)
    ):
        write_bytes(f"{target}/{name}", read_bytes(f"{source}/{name}"))


def write_bytes(path: str, content: bytes) -> None:
    """Write one file and the folders above it.

    Raises:
      OSError: there is no room, or no right to write.
    """
    if is_remote(path):
        gfile = _gfile()
        with _store_errors(path):
            gfile.makedirs(os.path.dirname(path))
            with gfile.GFile(path, "wb") as file:
                file.write(content)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


def publish_folder(target: str, fill: Callable[[str], None]) -> None:
    """Make the folder `target` appear at once, complete and on disk, or not at all.

    Args:
      target: the new folder. Its parent must exist and be on the same disk.
      fill: writes the content into the folder it is given.

    Raises:
      FileExistsError: `target` is there already, and stays as it is.
      OSError: what `fill` met, for example a full disk; nothing is left behind.
    """
    if is_remote(target):
        if exists(target):
            raise FileExistsError(target)
        with tempfile.TemporaryDirectory() as local:
            fill(local)  # what it refuses is never seen in the store
            copy_folder(local, target)
        return
    with atomic.folder(Path(target)) as draft:
        fill(str(draft))
        _open_to_readers(str(draft))


def make_readable_folder(path: str) -> None:
    """Make a folder that everybody may read, whatever the umask; one that is there stays as it is."""
    if not os.path.isdir(path):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o755)


def remove_folder(path: str) -> None:
    """Remove a folder; on a disk it first takes a hidden name, so that nobody sees half of it.

    Of a link to a folder the link goes and the folder stays.
    """
    if is_remote(path):
        _gfile().rmtree(path)
    else:
        atomic.remove(Path(path))


def file_names(path: str) -> list[str]:
    """Return all files below `path`, as paths relative to it; a link counts as what it leads to.

    Raises:
      OSError: a folder cannot be read, or something is neither file nor folder.
    """

    def fail(error: OSError) -> None:
        raise error

    walk = _gfile().walk(path) if is_remote(path) else os.walk(path, onerror=fail, followlinks=True)
    return [
        os.path.relpath(f"{folder.rstrip('/')}/{name}", path) for folder, _, names in walk for name in names
    ]


def _open_to_readers(folder: str) -> None:
    """Let everybody read: a server may be somebody else, whatever the umask of the one who pushes."""
    for parent, _, names in os.walk(folder):
        os.chmod(parent, 0o755)
        for name in names:
            os.chmod(f"{parent}/{name}", 0o644)


@contextmanager
def _store_errors(path: str) -> Iterator[None]:
    """Tell of an object store's errors as Python does of a disk's."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "no such object", path) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message, path) from error


def _gfile() -> Any:
    import tensorflow as tf  # seconds to import, and only object stores need it

    return tf.io.gfile

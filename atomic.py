"""Atomic writes of files and folders. Like nsynth.py, every package may import it.

Unfinished content is under a hidden name on the same file system; when it is flushed to disk, a rename publishes it.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def file(path: Path, scratch: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at `path`, replacing an existing file, when the block ends without an error.

    Args:
      path: the file; its parent folders are created.
      scratch: folder of the unfinished file, on the same file system; created if missing. Default: beside `path`.

    Raises:
      OSError: it cannot be written; no partial file remains, and an existing file is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if scratch:
        scratch.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, scratch)
    try:
        with draft.open("wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file as `file` does; text as UTF-8."""
    with file(path) as opened:
        opened.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def folder(path: Path, aside: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends without an error.

    Args:
      path: the folder; its parent folders are created.
      aside: temporary place for an existing folder at `path` while the new one is renamed; removed afterwards. Without
        it, only an empty folder is replaced.

    Raises:
      FileExistsError: `path` has content and `aside` is not given; it is unchanged.
      OSError: it cannot be written; no partial folder remains, and an existing folder is unchanged.
    """
    draft = _draft(path)
    draft.mkdir(parents=True)
    try:
        yield draft
        for parent, _, names in os.walk(draft):
            for name in (*names, "."):
                _flush(os.path.join(parent, name))
        if aside and path.exists():
            path.rename(aside)
        try:
            draft.rename(path)
        except OSError as error:
            raise (FileExistsError(str(path)) if path.exists() else error) from error
        _flush(path.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if aside:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def remote_file(path: str, scratch: str | None = None) -> Iterator[str]:
    """Yield the name to write under; the file appears at `path` when the block ends without an error.

    Works on every file system that TensorFlow supports, also if several workers write the same file.

    Args:
      path: the file; its parent folders are created.
      scratch: folder of the unfinished file; created if missing. Default: beside `path`.
    """
    import tensorflow as tf  # seconds to import

    draft = os.path.join(
        scratch or os.path.dirname(path), f".{os.path.basename(path)}.draft-{uuid.uuid4().hex}"
    )
    for parent in {os.path.dirname(path), os.path.dirname(draft)}:
        tf.io.gfile.makedirs(parent)
    try:
        yield draft
        tf.io.gfile.rename(draft, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(draft):
            tf.io.gfile.remove(draft)
        raise


def remove(path: Path) -> None:
    """Remove a file, a link or a folder; a folder first gets a hidden name, so that it never appears partial."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path.rename(_draft(path)))


def is_draft(path: Path) -> bool:
    """Return whether a file or folder is being written, or was left by a killed process."""
    return path.name.startswith(".") and ".draft-" in path.name


def remove_drafts(parent: Path, name: str = "*") -> None:
    """Remove leftovers of killed processes for the file or folder `name` in `parent`, while no other process writes."""
    for draft in parent.glob(f".{name}.draft-*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def _draft(path: Path, scratch: Path | None = None) -> Path:
    return (scratch or path.parent) / f".{path.name}.draft-{uuid.uuid4().hex}"


def _flush(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

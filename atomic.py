"""Files and folders that appear whole or not at all. Like nsynth.py it stands below every package.

Unfinished content lies under a hidden name on the same file system; once it is on the disk, a rename publishes it.
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
    """Open a file for writing that appears at `path`, replacing what is there, when the block ends without an error.

    Args:
      path: the file; folders above it are created.
      scratch: where the unfinished file lies, on the same file system; created if missing. Default: beside `path`.

    Raises:
      OSError: it cannot be written; nothing is left behind, and what was at `path` stays.
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
      path: the folder; those above it are created.
      aside: where a folder that is at `path` already goes while the new one takes its place; it is removed after
        that. Without it only an empty folder is replaced.

    Raises:
      FileExistsError: `path` has content and `aside` is not given; it stays as it is.
      OSError: it cannot be written; nothing is left behind, and what was at `path` stays.
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

    Works on every file system that TensorFlow knows, and where several workers write the same file.

    Args:
      path: the file; folders above it are created.
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
    """Remove a file, a link or a folder; a folder takes a hidden name first, so that nobody sees half of it."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path.rename(_draft(path)))


def is_draft(path: Path) -> bool:
    """Return whether a file or folder is one that is being written, or that a killed process left."""
    return path.name.startswith(".") and ".draft-" in path.name


def remove_drafts(parent: Path, name: str = "*") -> None:
    """Remove what killed processes left in `parent` of the file or folder `name`; call it where nobody else writes."""
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

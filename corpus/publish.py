"""Makes a folder appear whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

import nsynth


@contextlib.contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Lets one process at a time work on `out`, and sweeps what an interrupted one has left beside it.

    Raises:
        UserError: the folder above cannot be written to.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(_beside(out, "lock")):
            if _beside(out, "old").exists() and not out.exists():  # stopped between the two renames
                _beside(out, "old").rename(out)
            shutil.rmtree(_beside(out, "old"), ignore_errors=True)
            shutil.rmtree(_beside(out, "partial"), ignore_errors=True)
            yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise nsynth.UserError(
            f"Cannot write the corpus to {out}: {error.strerror} ({error.filename})."
        ) from error


@contextlib.contextmanager
def published(out: Path) -> Iterator[Path]:
    """Yields a temporary folder that becomes `out`, replacing it, once the block ends without an error."""
    partial, old = _beside(out, "partial"), _beside(out, "old")
    partial.mkdir()
    try:
        yield partial
        for path in partial.rglob("*"):
            _sync(path)
        _sync(partial)
        if out.exists():
            out.rename(old)
        partial.rename(out)
        _sync(out.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f".{out.name}.{ending}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

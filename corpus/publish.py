"""Makes a folder appear whole or not at all."""

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import filelock

import atomic
import nsynth


@contextlib.contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Let one process at a time work on `out`, and sweep what an interrupted one has left beside it.

    Raises:
        UserError: the folder above cannot be written to.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(_beside(out, "lock")):
            if _beside(out, "old").exists() and not out.exists():  # stopped between the two renames
                _beside(out, "old").rename(out)
            shutil.rmtree(_beside(out, "old"), ignore_errors=True)
            atomic.remove_drafts(out.parent, out.name)
            yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise nsynth.UserError(
            f"Cannot write the corpus to {out}: {error.strerror} ({error.filename})."
        ) from error


def published(out: Path) -> AbstractContextManager[Path]:
    """Yield a temporary folder that becomes `out`, replacing it, once the block ends without an error."""
    return atomic.folder(out, aside=_beside(out, "old"))


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f".{out.name}.{ending}")

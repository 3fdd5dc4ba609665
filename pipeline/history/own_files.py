"""Files that are written in place: ours alone, regular, and with room kept on the disk for the day when it is full."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import nsynth

RESERVE_BYTES = 1 << 20
"""Enough for a line of the ledger, and for marking a thousand artifacts as deleted."""
_FULL = {errno.ENOSPC, errno.EDQUOT}

Answer = TypeVar("Answer")


def open_own(file: Path, flags: int, mode: int = 0o600) -> int:
    """Open a file that this project writes; what somebody else put in its place is left as it is.

    Args:
      file: the file; its folder must exist.
      flags: as for os.open; O_TRUNC is never needed here, since what is in the file is looked at first.
      mode: of a new file.

    Returns:
      A descriptor, which child processes do not inherit.

    Raises:
      FileNotFoundError: there is no such file, and `flags` do not create it.
      nsynth.UserError: it is a link, a FIFO or anything else but a regular file.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for somebody at its other end.
        descriptor = os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _not_ours(file) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_ours(file)
    return descriptor


def _not_ours(file: Path) -> nsynth.UserError:
    return nsynth.UserError(
        f"{file} is a link, a FIFO or another special file: it is not written to. "
        "Check where it comes from, and remove it."
    )


def cut_short(content: bytes, beginning: bytes) -> bool:
    """Return whether `content` may be what a crash left of something with this beginning; a power cut leaves zeros."""
    content = content.strip(b"\0")
    return content.startswith(beginning[: len(content)])


def is_full(error: OSError) -> bool:
    """Return whether there is no room left on the disk, or for this user."""
    return error.errno in _FULL


class Reserve:
    """Room on the disk that is kept for the time when there is none: a file of zeros that is given up then."""

    def __init__(self, folder: Path):
        self._file = folder / "reserve"

    def make(self) -> None:
        """Fill the file, as far as there is room."""
        with contextlib.suppress(OSError, nsynth.UserError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(open_own(self._file, os.O_RDWR | os.O_CREAT)) as descriptor:
                missing = RESERVE_BYTES - os.fstat(descriptor).st_size
                if missing > 0:
                    write(descriptor, bytes(missing), RESERVE_BYTES - missing)

    def give_up(self) -> bool:
        """Free the room; return whether there was any."""
        with contextlib.suppress(OSError):
            held = self._file.lstat().st_size > 0
            self._file.unlink()
            return held
        return False

    def used_if_full(self, write: Callable[[], Answer]) -> Answer:
        """Run `write`; if the disk is full, give the room up and run it once more.

        Raises:
          OSError: what `write` met, the second time if there was a second.
        """
        try:
            return write()
        except OSError as error:
            if not is_full(error) or not self.give_up():
                raise
        return write()


@contextlib.contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Close the descriptor in the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int) -> bytes:
    """Return the whole content."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()


def write(descriptor: int, content: bytes, offset: int = 0) -> None:
    """Write all of `content` at `offset`, down to the disk.

    Raises:
      OSError: no room; a part may have been written.
    """
    while content:
        done = os.pwrite(descriptor, content, offset)
        content, offset = content[done:], offset + done
    os.fsync(descriptor)

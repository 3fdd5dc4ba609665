"""One round at a time: a lock that names its holder and ends with it, however it ends.

The operating system's lock on an open file (flock) is used as it is, since the child process that runs the
pipeline inherits the descriptor: the lock is free only when every process of the round is gone, and at once
then, so that there is no stale lock to wait for. What a crash leaves behind is the holder's name in the file.

The file keeps its length, so that a full disk has room for the name; where even the first name finds none, the lock
is held without one. A link, a FIFO or a file with other content in its place is refused and left as it is.
"""

import contextlib
import datetime
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pydantic

import nsynth
from pipeline import exit_codes
from pipeline.history.own_files import closing, cut_short, is_full, open_own, read, write

_log = logging.getLogger(__name__)
_SIZE_BYTES = 4096  # of the file: a block
_OURS = b'{"name":'  # how every name in the file begins
_GLANCE_S = 0.1  # more than `is_held` holds the lock for


class Holder(pydantic.BaseModel, frozen=True):
    """Who works in the workspace."""

    name: str
    """The command."""
    pid: int
    host: str
    started: datetime.datetime
    is_round: bool = True
    """Whether the next round is to tell of it, should it be killed; housekeeping is none."""
    found: "Holder | None" = None
    """The killed round whose name a holder that is no round keeps for the next one."""

    @classmethod
    def me(cls, name: str) -> "Holder":
        """Return this process."""
        return cls(name=name, pid=os.getpid(), host=socket.gethostname(), started=now())

    def __str__(self) -> str:
        return f"{self.name}, process {self.pid} on {self.host}, since {self.started:%Y-%m-%d %H:%M:%S %Z}"


class LockedError(nsynth.UserError):
    """Somebody else works in the workspace."""

    exit_code = exit_codes.LOCKED


class Lock:
    """A lock that is held."""

    def __init__(self, descriptor: int, left_behind: Holder | None):
        self.descriptor = descriptor
        """For the child to inherit."""
        self.left_behind = left_behind
        """The round that held it last and never gave it back: it was killed."""


def now() -> datetime.datetime:
    """Return the time, to the second, UTC."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@contextlib.contextmanager
def hold(file: Path, name: str, is_round: bool = True) -> Iterator[Lock]:
    """Hold the lock as `name`.

    Args:
      file: the lock.
      name: of the holder.
      is_round: else what a killed round left behind stays there, for the next round to tell.

    Raises:
      LockedError: it is held; the message says by whom.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(open_own(file, os.O_RDWR | os.O_CREAT, 0o644)) as descriptor:
        _take(descriptor, file)
        before = _named(descriptor, file)
        killed = before if before is None or before.is_round else before.found
        me = Holder.me(name).model_copy(update={"is_round": is_round, "found": None if is_round else killed})
        _write(descriptor, me.model_dump_json())
        try:
            yield Lock(descriptor, killed)
        finally:
            _write(descriptor, me.found.model_dump_json() if me.found else "")


def holder(file: Path) -> Holder | None:
    """Return who is named in the lock file, if anybody.

    Raises:
      nsynth.UserError: it is not our lock file.
    """
    try:
        with closing(open_own(file, os.O_RDONLY)) as descriptor:
            return _named(descriptor, file)
    except FileNotFoundError:
        return None


def is_held(file: Path) -> bool:
    """Return whether a process holds the lock right now.

    Raises:
      nsynth.UserError: it is not our lock file.
    """
    try:
        with closing(open_own(file, os.O_RDONLY)) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _named(descriptor: int, file: Path) -> Holder | None:
    """Return who is named in the open file; None if it is blank, or was cut short by a crash.

    Raises:
      nsynth.UserError: the content is not ours, so that nothing may be written over it.
    """
    content = read(descriptor).strip()
    try:
        return Holder.model_validate_json(content) if content else None
    except ValueError as error:
        if cut_short(content, _OURS):
            return None
        raise nsynth.UserError(
            f"{file} is not a lock of this project: it has other content, which was not changed. "
            "Move it away, or set another workspace."
        ) from error


def _take(descriptor: int, file: Path) -> None:
    for last_try in (False, False, True):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if last_try:
                raise LockedError(
                    f"the workspace {file.parent} is in use by {_named(descriptor, file) or 'another process'}: "
                    "wait for it to end, or stop it"
                ) from error
        time.sleep(_GLANCE_S)


def _write(descriptor: int, content: str) -> None:
    """Write the name over the one before."""
    block = content.encode().ljust(_SIZE_BYTES - 1) + b"\n"
    try:
        write(descriptor, block)
    except OSError as error:
        if not is_full(error):
            raise
        _log.warning("the disk is full: the lock is held without a name")
        os.ftruncate(descriptor, 0)  # no half of a name, and none of who held it before

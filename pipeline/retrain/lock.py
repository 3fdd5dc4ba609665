"""One round at a time: a lock that names its holder and ends with it, however it ends.

The operating system's lock on an open file (flock) is used as it is, since the child process that runs the
pipeline inherits the descriptor: the lock is free only when every process of the round is gone, and at once
then, so that there is no stale lock to wait for. What a crash leaves behind is the holder's name in the file.
"""

import contextlib
import datetime
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pydantic

import nsynth

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
        """This process."""
        return cls(name=name, pid=os.getpid(), host=socket.gethostname(), started=now())

    def __str__(self) -> str:
        return f"{self.name}, process {self.pid} on {self.host}, since {self.started:%Y-%m-%d %H:%M:%S %Z}"


class LockedError(nsynth.UserError):
    """Somebody else works in the workspace."""


class Lock:
    """A lock that is held."""

    def __init__(self, descriptor: int, left_behind: Holder | None):
        self.descriptor = descriptor
        """For the child to inherit."""
        self.left_behind = left_behind
        """The round that held it last and never gave it back: it was killed."""


def now() -> datetime.datetime:
    """The time, to the second, UTC."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@contextlib.contextmanager
def hold(file: Path, name: str, is_round: bool = True) -> Iterator[Lock]:
    """Holds the lock as `name`.

    Args:
      file: the lock.
      name: of the holder.
      is_round: else what a killed round left behind stays there, for the next round to tell.

    Raises:
      LockedError: it is held; the message says by whom.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, file)
        before = holder(file)
        killed = before if before is None or before.is_round else before.found
        me = Holder.me(name).model_copy(update={"is_round": is_round, "found": None if is_round else killed})
        _write(descriptor, me.model_dump_json())
        try:
            yield Lock(descriptor, killed)
        finally:
            _write(descriptor, me.found.model_dump_json() if me.found else "")
    finally:
        os.close(descriptor)


def holder(file: Path) -> Holder | None:
    """Who is named in the lock file, if anybody."""
    try:
        return Holder.model_validate_json(file.read_text())
    except (OSError, ValueError):  # no lock yet, or given back
        return None


def is_held(file: Path) -> bool:
    """Whether a process holds the lock right now."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(descriptor: int, file: Path) -> None:
    for last_try in (False, False, True):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if last_try:
                raise LockedError(
                    f"the workspace {file.parent} is in use by {holder(file) or 'another process'}: "
                    "wait for it to end, or stop it"
                ) from error
        time.sleep(_GLANCE_S)


def _write(descriptor: int, content: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content.encode(), 0)
    os.fsync(descriptor)

"""Opens regular files only: a pipe, a socket or a device named as data would block or never end."""

import os
import stat
from typing import BinaryIO


class NotRegularError(OSError):
    """A path names something that is not a regular file."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a local regular file to read bytes; never wait for a writer.

    Raises:
        NotRegularError: `path` is a folder, a pipe, a socket or a device.
        OSError: it is missing or may not be read.
        ValueError: `path` cannot be a path, for example because of a null character.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # O_NONBLOCK: a FIFO opens at once
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError(None, "not a regular file", os.fspath(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise

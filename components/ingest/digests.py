"""Digests of files by their content, kept so that an unchanged file is read once.

A file is taken for unchanged while device, inode, size, mtime and ctime are. The last tells of a file that was
rewritten with its size and mtime restored, since no program can set it; docs/ingest.md says which file systems keep
none.
"""

import contextlib
import errno
import hashlib
import os
import sqlite3
import stat
import time
from types import TracebackType
from typing import Self

from components.ingest import files

FILE = "digests.db"
_YOUNG_NS = 2_000_000_000
"""A file that changed so recently may change again within one tick of the file system's clock: it is read again."""


class Digests(contextlib.AbstractContextManager["Digests"]):
    """Tells digests, and remembers them."""

    def __init__(self, folder: str | None):
        """Open the memory.

        Args:
          folder: where it is kept, made if need be; None, or one that cannot be written: nothing is kept.
        """
        self._memory: sqlite3.Connection | None = None
        if folder:
            try:
                os.makedirs(folder, exist_ok=True)
                self._memory = _open(os.path.join(folder, FILE))
            except (OSError, sqlite3.Error):
                pass  # it costs time alone

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what has been read."""
        if self._memory:
            with contextlib.suppress(sqlite3.Error):
                self._memory.commit()
            self._memory.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def of(self, path: str) -> str:
        """Return the SHA-256 of a local file; of a remote one its size and ETag, since reading it costs a download.

        Raises:
          OSError: it cannot be read, or is no regular file.
        """
        if not files.is_local(path):
            return files.identity(path)
        # A pipe under the name of a file would otherwise be waited for without end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            known = self._known(status)
            if known:
                return known
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _stamp(os.fstat(file.fileno())) == _stamp(status):
                self._keep(status, digest)
            return digest

    def _known(self, status: os.stat_result) -> str | None:
        if not self._memory:
            return None
        query = "SELECT digest FROM digests WHERE file = ? AND stamp = ?"
        with contextlib.suppress(sqlite3.Error):
            row = self._memory.execute(query, (_file(status), _stamp(status))).fetchone()
            return row[0] if row else None
        return None

    def _keep(self, status: os.stat_result, digest: str) -> None:
        if self._memory and time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns) > _YOUNG_NS:
            with contextlib.suppress(sqlite3.Error):
                row = (_file(status), _stamp(status), digest)
                self._memory.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", row)


def _open(path: str) -> sqlite3.Connection:
    table = "CREATE TABLE IF NOT EXISTS digests (file TEXT PRIMARY KEY, stamp TEXT, digest TEXT)"
    memory = sqlite3.connect(path)
    try:
        memory.execute(table)
    except sqlite3.DatabaseError:  # damaged: begun anew
        memory.close()
        os.remove(path)
        memory = sqlite3.connect(path)
        memory.execute(table)
    return memory


def _file(status: os.stat_result) -> str:
    return f"{status.st_dev} {status.st_ino}"


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"

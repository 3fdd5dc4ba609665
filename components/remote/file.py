"""A remote file as Python knows files: seekable, read by ranges, with a window of bounded size in memory."""

import io
from typing import Any, Protocol

_FIRST_BYTES = 1 << 18
"""Read at the beginning of a file, whatever is asked for: small files need no second request."""
_AHEAD_BYTES = 1 << 22
"""Read ahead at most where a file is read from one byte to the next."""


class Opened(Protocol):
    """A file of a store, as it was when it was opened; any thread may read it."""

    size: int
    version: str
    """Another one if the file is replaced."""

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes [start, end), all of them.

        Raises:
            OSError: they cannot be read, or it is another file now.
        """

    def close(self) -> None:
        """Read no more."""


class RangeFile(io.RawIOBase):
    """Reads an opened file. Scattered reads fetch just what is wanted; reads one behind the other, ever more ahead."""

    def __init__(self, opened: Opened, shared: bool = False) -> None:
        """Read from the beginning.

        Args:
            opened: the file.
            shared: others read it too, and somebody else closes it.
        """
        super().__init__()
        self._opened, self._shared = opened, shared
        self._position = 0
        self._window, self._window_start = b"", 0
        self._ahead = _FIRST_BYTES

    def another(self) -> "RangeFile":
        """Give the same file a second position, for another thread; it ends with this one."""
        return RangeFile(self._opened, shared=True)

    @property
    def version(self) -> str:
        """Another one if the file is replaced."""
        return self._opened.version

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset; nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._opened.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read the next `size` bytes; fewer only where the file ends.

        Raises:
            OSError: see `Opened.read`.
        """
        if self.closed:
            raise ValueError("read of a closed file")
        left = max(0, self._opened.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        place = self._position - self._window_start
        if not 0 <= place <= len(self._window) - wanted:
            self._fetch(wanted)
            place = 0
        found = self._window[place : place + wanted]
        self._position += len(found)
        return found

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes; answers how many there were."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _fetch(self, wanted: int) -> None:
        """Let the window begin at the position and hold `wanted` bytes at least."""
        start, window_end = self._position, self._window_start + len(self._window)
        kept = b""
        if self._window_start < start <= window_end or not start:
            kept = self._window[start - self._window_start :] if start else b""
            ahead = self._ahead
            self._ahead = min(2 * ahead, _AHEAD_BYTES)
        else:
            ahead, self._ahead = 0, _FIRST_BYTES
        end = min(self._opened.size, start + max(wanted, ahead))
        self._window = kept + self._opened.read(start + len(kept), max(end, start + len(kept)))
        self._window_start = start

    def close(self) -> None:
        """Read no more."""
        if not self._shared:
            self._opened.close()
        super().close()

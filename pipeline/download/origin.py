"""Where the official files are read from: an HTTP server with range requests, or a folder.

Both describe a file and stream a range of it. What reaches the caller is a `nsynth.UserError` that says what to do.
"""

import contextlib
import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import nsynth
from components.remote import errors
from components.remote.errors import PATIENCE, Patience
from components.remote.http import AnswerError, HttpFiles, Remote

_CHUNK_BYTES = 1 << 18


class ChangedError(nsynth.UserError):
    """The file is not the one that was described."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} changed during the download. What had been downloaded of it is discarded: run the same "
            "command to start again."
        )


class Origin(Protocol):
    """What a download needs of a place that holds the files."""

    def describe(self, name: str) -> Remote:
        """Look a file up."""

    def stream(
        self, remote: Remote, start: int, end: int, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes [start, end) of a file in chunks; give up when `stop` is set."""


class HttpOrigin:
    """A server that speaks HTTP."""

    def __init__(self, base_url: str, patience: Patience = PATIENCE) -> None:
        self._base_url = base_url.rstrip("/")
        self._files = HttpFiles(patience)

    def describe(self, name: str) -> Remote:
        """Look a file up.

        Raises:
            nsynth.UserError: there is no such file, or no answer.
        """
        with _advised():
            return self._files.describe(f"{self._base_url}/{name}")

    def stream(
        self, remote: Remote, start: int, end: int, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes [start, end); goes on behind the last byte received after a transient error.

        Raises:
            ChangedError: the file on the server is another one now.
            nsynth.UserError: the server refuses, or does not answer any more.
        """
        chunks = self._files.stream(remote, start, end, stop)
        while True:
            with _advised():  # not around the yield: what its receiver raises is not the server's
                if (chunk := next(chunks, None)) is None:
                    return
            yield chunk


class FolderOrigin:
    """A folder that holds copies of the official files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self, name: str) -> Remote:
        """Look a file up.

        Raises:
            nsynth.UserError: it is not there or cannot be read.
        """
        path = self._folder / name
        try:
            found = path.stat()
        except OSError as error:
            raise nsynth.UserError(f"{path}: {error.strerror}. --mirror must hold {name}.") from error
        return Remote(str(path), found.st_size, str(found.st_mtime_ns), {}, ranges=True)

    def stream(
        self, remote: Remote, start: int, end: int, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes [start, end).

        Raises:
            ChangedError: the file is another one now.
            nsynth.UserError: it cannot be read.
        """
        try:
            with open(remote.url, "rb") as file:
                file.seek(start)
                while start < end and not (stop and stop.is_set()):
                    chunk = file.read(min(_CHUNK_BYTES, end - start))
                    if not chunk:
                        raise ChangedError(remote.url)
                    yield chunk
                    start += len(chunk)
        except OSError as error:
            raise nsynth.UserError(f"{remote.url}: {error.strerror}.") from error


def open_origin(mirror: str) -> Origin:
    """Return the origin at an address (http://, https://, file://) or in a folder."""
    if mirror.startswith(("http://", "https://")):
        return HttpOrigin(mirror)
    return FolderOrigin(Path(mirror.removeprefix("file://")))


@contextlib.contextmanager
def _advised() -> Iterator[None]:
    """Say what to do about what a server answered."""
    try:
        yield
    except errors.ChangedError as error:
        raise ChangedError(error.filename) from error
    except AnswerError as error:
        raise nsynth.UserError(f"{error.filename}: {error.strerror}. {_advice(error.status)}.") from error
    except OSError as error:
        advice = (
            " Check the network, and HTTP_PROXY if there is a proxy; run the same command to resume, or name another "
            "server or a folder with --mirror."
        )
        what = f"{error.filename} cannot be downloaded: {error.strerror}."
        raise nsynth.UserError(what + (advice if error.errno == errno.EIO else "")) from error


def _advice(status: int) -> str:
    return {
        401: "Name another server or a folder with --mirror",
        403: "A firewall or a proxy may block it, or the file is no longer public: name another server or a folder "
        "with --mirror",
        404: "Check --mirror: it names the address or the folder that holds the official files",
        407: "Put user and password of the proxy into HTTP_PROXY and HTTPS_PROXY",
    }.get(status, "Try again later, or name another server or a folder with --mirror")

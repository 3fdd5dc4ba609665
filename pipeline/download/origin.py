"""Where the official files are read from: an HTTP server with range requests, or a folder.

Both describe a file and stream a range of it. Transient errors are retried here; what reaches the caller is a
`nsynth.UserError` that says what to do.
"""

import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import requests
import urllib3

import nsynth

_CHUNK_BYTES = 1 << 18
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Remote(NamedTuple):
    """A file of an origin, as it was when it was described."""

    url: str
    size: int  # bytes
    version: str
    """ETag or, without one, time of the last change; empty where the origin states neither."""
    checksums: dict[str, str]
    """Base64 of `crc32c` and `md5` of the whole file, as far as the origin states them."""
    ranges: bool
    """Whether a part of the file can be read without all that lies before it."""


class ChangedError(nsynth.UserError):
    """The file is not the one that was described."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(
            f"{remote.url} changed during the download. What had been downloaded of it is discarded: run the same "
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


class Patience(NamedTuple):
    """How long a download bears with a server."""

    attempts: int = 8
    """Failures in a row without a byte in between before the download stops."""
    first_wait_s: float = 0.5
    """Wait after the first failure; each further one doubles it."""
    longest_wait_s: float = 30.0
    timeout_s: float = 30.0
    """For the connection, and for each read."""


PATIENCE = Patience()


class _TransientError(Exception):
    """Worth another attempt, after `wait_s` if the server named a time."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class HttpOrigin:
    """A server that speaks HTTP. Proxies are taken from the environment, as usual."""

    def __init__(self, base_url: str, patience: Patience = PATIENCE) -> None:
        self._base_url = base_url.rstrip("/")
        self._patience = patience
        self._local = threading.local()

    def describe(self, name: str) -> Remote:
        """Ask for the first byte of a file, which tells its size and whether ranges are answered.

        Raises:
            nsynth.UserError: there is no such file, or no answer.
        """
        url = f"{self._base_url}/{name}"
        failures = 0
        while True:
            try:
                return self._describe(url)
            except _TransientError as error:
                failures += 1
                self._wait(url, failures, error)

    def _describe(self, url: str) -> Remote:
        with self._get(url, {"Range": "bytes=0-0"}) as response:
            size = response.headers.get("Content-Length")
            total = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            ranges = response.status_code == 206 and total is not None
            if total is not None and ranges:
                size = total[3]
            if size is None:
                raise nsynth.UserError(f"{url}: the server does not say how large the file is.")
            return Remote(url, int(size), _version(response), _checksums(response), ranges)

    def stream(
        self, remote: Remote, start: int, end: int, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes [start, end); goes on behind the last byte received after a transient error.

        Raises:
            ChangedError: the file on the server is another one now.
            nsynth.UserError: the server refuses, or does not answer any more.
        """
        failures, position = 0, start
        while position < end and not (stop and stop.is_set()):
            try:
                for chunk in self._range(remote, position, end):
                    yield chunk
                    position, failures = position + len(chunk), 0
                if position < end:
                    raise _TransientError("the connection was cut")
            except _TransientError as error:
                failures += 1
                self._wait(remote.url, failures, error, stop)

    def _range(self, remote: Remote, start: int, end: int) -> Iterator[bytes]:
        headers = {}
        if remote.ranges:
            headers["Range"] = f"bytes={start}-{end - 1}"
            if remote.version and not remote.version.startswith("W/"):
                headers["If-Range"] = remote.version
        with self._get(remote.url, headers) as response:
            if _version(response) != remote.version or response.status_code == 416:
                raise ChangedError(remote)
            if remote.ranges and remote.version and response.status_code == 200:
                raise _TransientError("the answer was the whole file instead of a part")
            found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if remote.ranges and (found is None or (int(found[1]), int(found[3])) != (start, remote.size)):
                raise ChangedError(remote)  # of another size, or nobody can tell
            to_skip = 0 if remote.ranges else start
            left = end - start
            try:
                while left and (chunk := response.raw.read1(_CHUNK_BYTES)):  # keeps what came before a cut
                    wanted = chunk[to_skip : to_skip + left]
                    to_skip = max(0, to_skip - len(chunk))
                    left -= len(wanted)
                    if wanted:
                        yield wanted
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise _TransientError(_cause(error)) from error

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        if not hasattr(self._local, "session"):  # one connection a thread, kept open between requests
            self._local.session = requests.Session()
            self._local.session.headers.update(
                {"User-Agent": "nsynth-tfx (nsynth download)", "Accept-Encoding": "identity"}
            )
        try:
            response = self._local.session.get(
                url, headers=headers, stream=True, timeout=self._patience.timeout_s
            )
        except requests.exceptions.ProxyError as error:
            raise nsynth.UserError(
                f"{url}: the proxy does not answer ({_cause(error)}). Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
            ) from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise nsynth.UserError(f"{url} is not an address that can be read: {error}.") from error
        except requests.RequestException as error:
            raise _TransientError(_cause(error)) from error
        if response.ok or response.status_code == 416:
            return response
        response.close()
        if response.status_code in _TRANSIENT:
            after = response.headers.get("Retry-After", "")
            wait_s = float(after) if after.isdecimal() else None
            raise _TransientError(f"{response.status_code} {response.reason}", wait_s)
        raise nsynth.UserError(_refusal(url, response))

    def _wait(
        self, url: str, failures: int, error: _TransientError, stop: threading.Event | None = None
    ) -> None:
        patience = self._patience
        if failures >= patience.attempts:
            raise nsynth.UserError(
                f"{url} cannot be downloaded: {failures} attempts in a row failed, the last one with: {error}. Check "
                "the network, and HTTP_PROXY if there is a proxy; run the same command to resume, or name another "
                "server or a folder with --mirror."
            ) from error
        wait_s = min(patience.longest_wait_s, patience.first_wait_s * 2 ** (failures - 1))
        wait_s *= random.uniform(0.5, 1)  # so that the connections do not come back all at once
        (stop or threading.Event()).wait(min(patience.longest_wait_s, max(wait_s, error.wait_s or 0)))


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
                        raise ChangedError(remote)
                    yield chunk
                    start += len(chunk)
        except OSError as error:
            raise nsynth.UserError(f"{remote.url}: {error.strerror}.") from error


def open_origin(mirror: str) -> Origin:
    """The origin at an address (http://, https://, file://) or in a folder."""
    if mirror.startswith(("http://", "https://")):
        return HttpOrigin(mirror)
    return FolderOrigin(Path(mirror.removeprefix("file://")))


def _version(response: requests.Response) -> str:
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def _checksums(response: requests.Response) -> dict[str, str]:
    stated = response.headers.get("x-goog-hash", "").split(",")
    return dict(entry.strip().split("=", 1) for entry in stated if "=" in entry)


def _refusal(url: str, response: requests.Response) -> str:
    advice = {
        401: "Name another server or a folder with --mirror",
        403: "A firewall or a proxy may block it, or the file is no longer public: name another server or a folder "
        "with --mirror",
        404: "Check --mirror: it names the address or the folder that holds the official files",
        407: "Put user and password of the proxy into HTTP_PROXY and HTTPS_PROXY",
    }.get(response.status_code, "Try again later, or name another server or a folder with --mirror")
    return f"{url}: the server answers {response.status_code} {response.reason}. {advice}."


def _cause(error: BaseException) -> str:
    """The innermost reason of an error of requests, which wraps it several times."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__

"""Ranges of files on a web server. Transient errors are retried behind the last byte that arrived."""

import errno
import re
import threading
from collections.abc import Iterator
from typing import NamedTuple

import requests
import urllib3

from components.remote.errors import PATIENCE, ChangedError, Patience, TransientError

_CHUNK_BYTES = 1 << 18
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_KINDS = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 407: errno.EACCES, 410: errno.ENOENT}


class Remote(NamedTuple):
    """A file of a server, as it was when it was described."""

    url: str
    size: int  # bytes
    version: str
    """ETag or, without one, time of the last change; empty where the server states neither."""
    checksums: dict[str, str]
    """Base64 of `crc32c` and `md5` of the whole file, as far as the server states them."""
    ranges: bool
    """Whether a part of the file can be read without all that lies before it."""


class AnswerError(OSError):
    """The server answers that it will not."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        kind = _KINDS.get(status, errno.EIO)
        super().__init__(kind, f"the server answers {status} {reason}", url)
        self.status = status


class HttpFiles:
    """Files on servers that speak HTTP. Proxies are taken from the environment, as usual."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self._patience = patience
        self._local = threading.local()

    def describe(self, url: str) -> Remote:
        """Ask for the first byte of a file, which tells its size and whether ranges are answered.

        Raises:
            OSError: there is no such file, or no answer.
        """
        failures = 0
        while True:
            try:
                return self._describe(url)
            except TransientError as error:
                failures += 1
                self._patience.wait(url, failures, error)

    def _describe(self, url: str) -> Remote:
        with self._get(url, {"Range": "bytes=0-0"}) as response:
            size = response.headers.get("Content-Length")
            total = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            ranges = response.status_code == 206 and total is not None
            if total is not None and ranges:
                size = total[3]
            if size is None:
                raise OSError(errno.EIO, "the server does not say how large the file is", url)
            return Remote(url, int(size), _version(response), _checksums(response), ranges)

    def stream(
        self, remote: Remote, start: int, end: int, stop: threading.Event | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes [start, end); goes on behind the last byte received after a transient error.

        Raises:
            ChangedError: the file on the server is another one now.
            OSError: the server refuses, or does not answer any more.
        """
        failures, position = 0, start
        while position < end and not (stop and stop.is_set()):
            try:
                for chunk in self._range(remote, position, end):
                    yield chunk
                    position, failures = position + len(chunk), 0
                if position < end:
                    raise TransientError("the connection was cut")
            except TransientError as error:
                failures += 1
                self._patience.wait(remote.url, failures, error, stop)

    def _range(self, remote: Remote, start: int, end: int) -> Iterator[bytes]:
        headers = {}
        if remote.ranges:
            headers["Range"] = f"bytes={start}-{end - 1}"
            if remote.version and not remote.version.startswith("W/"):
                headers["If-Range"] = remote.version
        with self._get(remote.url, headers) as response:
            if _version(response) != remote.version or response.status_code == 416:
                raise ChangedError(remote.url)
            if remote.ranges and remote.version and response.status_code == 200:
                raise TransientError("the server sent the whole file instead of the requested range")
            found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if remote.ranges and (found is None or (int(found[1]), int(found[3])) != (start, remote.size)):
                raise ChangedError(remote.url)  # of another size, or nobody can tell
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
                raise TransientError(_cause(error)) from error

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        if not hasattr(self._local, "session"):  # one connection a thread, kept open between requests
            self._local.session = requests.Session()
            self._local.session.headers.update({"User-Agent": "nsynth-tfx", "Accept-Encoding": "identity"})
        try:
            response = self._local.session.get(
                url, headers=headers, stream=True, timeout=self._patience.timeout_s
            )
        except requests.exceptions.ProxyError as error:
            what = f"the proxy does not answer ({_cause(error)}): check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
            raise OSError(errno.EIO, what, url) from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise OSError(errno.EINVAL, f"not an address that can be read: {error}", url) from error
        except requests.RequestException as error:
            raise TransientError(_cause(error)) from error
        if response.ok or response.status_code == 416:
            return response
        response.close()
        if response.status_code in _TRANSIENT:
            after = response.headers.get("Retry-After", "")
            wait_s = float(after) if after.isdecimal() else None
            raise TransientError(f"{response.status_code} {response.reason}", wait_s)
        raise AnswerError(url, response.status_code, response.reason)


class HttpObject:
    """One file of a web server, as it was when it was opened."""

    def __init__(self, files: HttpFiles, address: str) -> None:
        """Look the file up.

        Raises:
            OSError: it is missing, or its server cannot read a part of a file.
        """
        self._files = files
        self._remote = files.describe(address)
        if not self._remote.ranges:
            what = "the server does not support range requests: download the file first"
            raise OSError(errno.EOPNOTSUPP, what, address)
        self.size, self.version = self._remote.size, f"{self._remote.size} {self._remote.version}"

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes [start, end).

        Raises:
            OSError: see `HttpFiles.stream`.
        """
        return b"".join(self._files.stream(self._remote, start, end))

    def close(self) -> None:
        """Nothing is kept open for a file."""


def _version(response: requests.Response) -> str:
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def _checksums(response: requests.Response) -> dict[str, str]:
    stated = response.headers.get("x-goog-hash", "").split(",")
    return dict(entry.strip().split("=", 1) for entry in stated if "=" in entry)


def _cause(error: BaseException) -> str:
    """Find the innermost reason of an error of requests, which wraps it several times."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__

"""Objects of an object store: Amazon's protocol (s3://) and Google's (gs://), through pyarrow's C++ clients.

Who may read them is told by the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION
and AWS_ENDPOINT_URL, or what else Amazon's client knows (a profile, a pod's identity); GOOGLE_APPLICATION_CREDENTIALS,
or a pod's identity; STORAGE_EMULATOR_HOST names another server that speaks Google's protocol.
"""

import contextlib
import datetime
import errno
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from components.remote.errors import ChangedError, Patience, TransientError

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, FileSystem

Result = TypeVar("Result")

SCHEMES = ("s3", "gs")
PATIENCE = Patience(attempts=4)
"""The clients retry by themselves what a server answers; this is for what they give up."""
_CLIENT_ATTEMPTS = 3
_RETRY_S = 20
_CONNECT_S = 10
_ENVIRONMENT = (
    "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "STORAGE_EMULATOR_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
)  # fmt: skip
_AWS_ERROR = re.compile(r"AWS Error (\w+)(?: \(HTTP status (\d+)\))? during (\w+)(?:.*ExceptionName: (\w+))?")
_GOOGLE_ERROR = re.compile(r"google::cloud::Status\((\w+):")
_UNKNOWN_TO_THE_CLIENT = "UNKNOWN"
_MISSING = {"NO_SUCH_BUCKET", "NO_SUCH_KEY", "NoSuchBucket", "NoSuchKey", "NOT_FOUND", "RESOURCE_NOT_FOUND"}
_REFUSED = {
    "ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE",
    "INVALID_CLIENT_TOKEN_ID",
    "MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "REQUEST_EXPIRED", "REQUEST_TIME_TOO_SKEWED", "ExpiredToken",
    "PERMISSION_DENIED", "UNAUTHENTICATED",
}  # fmt: skip
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, of a store that is not Amazon's, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}


class Entry(NamedTuple):
    """A file or folder, as a listing tells of it."""

    address: str
    is_folder: bool
    size: int = 0  # bytes
    changed_ns: int = 0  # since 1970


class BucketObject:
    """One object, as it was when it was opened."""

    def __init__(self, address: str) -> None:
        """Look the object up.

        Raises:
            OSError: it is missing, or may not be read.
        """
        self._address = address
        self._file, self.size, self.version = _retried(lambda: _open(address), address)

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes [start, end), all of them; what failed is asked for again, as long as the object is the same.

        Raises:
            ChangedError: it is another object now.
            OSError: it is gone, may not be read, or its store does not answer.
        """
        parts, position, failures = [], start, 0
        while position < end:
            try:
                with _translated(self._address):
                    part = self._file.read_at(end - position, position)
                if not part:
                    raise TransientError("the connection was cut")
                parts.append(part)
                position, failures = position + len(part), 0
            except FileNotFoundError:  # a generation that is gone, or the object itself
                self._reopen()
                raise
            except TransientError as error:
                failures += 1
                PATIENCE.wait(self._address, failures, error)
                self._reopen()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _reopen(self) -> None:
        """Open the object anew, if it is still the same."""
        file, _, version = _retried(lambda: _open(self._address), self._address)
        if version != self.version:
            file.close()
            raise ChangedError(self._address)
        broken, self._file = self._file, file
        broken.close()

    def close(self) -> None:
        """Read no more."""
        self._file.close()


def entry(address: str) -> Entry | None:
    """Look what is at an address; None if there is nothing.

    Raises:
        OSError: the store refuses the credentials, or does not answer.
    """
    from pyarrow.fs import FileType

    scheme, path = _parts(address)
    bucket = path.partition("/")[0]

    def look() -> Entry | None:
        with _translated(address):
            found = _file_system(scheme).get_file_info([path.rstrip("/"), bucket])
        if any(info.type == FileType.NotFound for info in found):
            return None
        return _entry(scheme, found[0])

    return _retried(look, address)


def children(address: str, recursive: bool = False) -> list[Entry]:
    """List what is right below a folder, in order; with `recursive`, all that is below it.

    Raises:
        OSError: there is no such folder, the store refuses the credentials, or does not answer.
    """
    from pyarrow.fs import FileSelector

    scheme, path = _parts(address)

    def look() -> list[Entry]:
        everything = recursive or scheme == "gs"  # whose client lists no folders
        with _translated(address):
            found = _file_system(scheme).get_file_info(FileSelector(path.rstrip("/"), recursive=everything))
        entries = [_entry(scheme, info) for info in found]
        return sorted(entries if recursive or not everything else _right_below(address.rstrip("/"), entries))

    return _retried(look, address)


def write(address: str, content: bytes) -> None:
    """Write an object; it appears when all of it has arrived.

    Raises:
        OSError: the store refuses the credentials, has no such bucket, or does not answer.
    """
    scheme, path = _parts(address)

    def put() -> None:
        with (
            _translated(address),
            _file_system(scheme).open_output_stream(
                path, compression=None
            ) as stream,  # whatever its name says
        ):
            stream.write(content)

    _retried(put, address)


def remove(address: str) -> None:
    """Remove an object, or a folder with all that is in it.

    Raises:
        OSError: there is none, the store refuses the credentials, or does not answer.
    """
    scheme, path = _parts(address)

    def take_away() -> None:
        with _translated(address):
            file_system = _file_system(scheme)
            if file_system.get_file_info(path.rstrip("/")).is_file:
                file_system.delete_file(path)
            elif scheme == "gs":  # whose client knows only folders that it made
                for below in [entry for entry in children(address, recursive=True) if not entry.is_folder]:
                    file_system.delete_file(_parts(below.address)[1])
            else:
                file_system.delete_dir(path.rstrip("/"))

    _retried(take_away, address)


def _retried(attempt: Callable[[], Result], address: str) -> Result:
    failures = 0
    while True:
        try:
            return attempt()
        except TransientError as error:
            failures += 1
            PATIENCE.wait(address, failures, error)


def _open(address: str) -> "tuple[NativeFile, int, str]":
    """Open an object; tell its size and its version."""
    scheme, path = _parts(address)
    with _translated(address):
        file = _file_system(scheme).open_input_file(path)
        try:
            return file, file.size(), _version(file)
        except BaseException:
            file.close()  # left to the garbage collector, it would keep all threads waiting for the network
            raise


def _version(file: "NativeFile") -> str:
    """Its ETag, or Google's number of this generation of the object."""
    found = file.metadata() or {}
    mark = next((found[key] for key in (b"generation", b"ETag", "generation", "ETag") if key in found), b"")
    return f"{file.size()} {mark.decode() if isinstance(mark, bytes) else mark}"


def _parts(address: str) -> tuple[str, str]:
    """Return scheme, and bucket and key as pyarrow takes them."""
    scheme, _, path = address.partition("://")
    return scheme, path


def _entry(scheme: str, info: "FileInfo") -> Entry:
    return Entry(
        f"{scheme}://{info.path}",
        not info.is_file,
        info.size if info.is_file else 0,
        info.mtime_ns if info.is_file else 0,
    )


def _right_below(folder: str, entries: Iterable[Entry]) -> set[Entry]:
    """Pick the entries right below a folder, those that only have others below them among them."""
    names = ((entry, *entry.address.removeprefix(f"{folder}/").partition("/")) for entry in entries)
    return {Entry(f"{folder}/{name}", True) if below else entry for entry, name, below, _ in names}


def _file_system(scheme: str) -> "FileSystem":
    return _made(scheme, tuple(os.environ.get(name, "") for name in _ENVIRONMENT))


@functools.cache
def _made(scheme: str, environment: tuple[str, ...]) -> "FileSystem":
    from pyarrow import fs  # slow to import, and only object stores need it

    told = dict(zip(_ENVIRONMENT, environment, strict=True))
    if scheme == "gs":
        limit = datetime.timedelta(seconds=_RETRY_S)
        server = told["STORAGE_EMULATOR_HOST"]
        if not server:
            return fs.GcsFileSystem(retry_time_limit=limit)
        kind, _, host = server.rpartition("://")
        return fs.GcsFileSystem(
            anonymous=True, scheme=kind or "http", endpoint_override=host, retry_time_limit=limit
        )
    return fs.S3FileSystem(
        endpoint_override=told["AWS_ENDPOINT_URL_S3"] or told["AWS_ENDPOINT_URL"] or None,
        region=told["AWS_REGION"] or told["AWS_DEFAULT_REGION"] or None,
        connect_timeout=_CONNECT_S,
        request_timeout=PATIENCE.timeout_s,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_CLIENT_ATTEMPTS),
    )


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    """Raise the clients' errors as the operating system's, without their words: they may name an account.

    Raises:
        OSError: as `components.remote.errors` says.
        TransientError: it may pass.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise OSError(errno.ENOENT, "no such object", address) from error
    except ValueError as error:  # Google's client closes a file whose connection was cut
        raise TransientError("the connection was cut") from error
    except OSError as error:
        scheme, path = _parts(address)
        words = str(error)
        codes = _codes(words)
        if codes & _MISSING:
            no_bucket = codes & {"NO_SUCH_BUCKET", "NoSuchBucket"}
            what = f"no such bucket: {path.partition('/')[0]}" if no_bucket else "no such object"
            raise OSError(errno.ENOENT, what, address) from error
        if codes & _REFUSED:
            code = next(iter(codes & _REFUSED))
            what = f"the store refuses the credentials ({code}): check {_CREDENTIALS[scheme]}"
            raise OSError(errno.EACCES, what, address) from error
        raise TransientError(", ".join(sorted(codes)) or "the connection failed") from error


def _codes(words: str) -> set[str]:
    """Find what the clients call an error."""
    codes: set[str] = set()
    if found := _AWS_ERROR.search(words):
        code, status, _, name = found.groups()
        codes |= {name} if name else set()
        codes |= {code} if code != _UNKNOWN_TO_THE_CLIENT else set()
        codes |= {f"HTTP status {status}"} if status else set()
        codes |= {"ACCESS_DENIED"} if status in ("401", "403") else set()
    if found := _GOOGLE_ERROR.search(words):
        codes.add(found[1])
    return codes

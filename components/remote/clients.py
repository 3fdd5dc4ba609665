"""The clients of object stores: Amazon's protocol (s3://) and Google's (gs://), by pyarrow; and what their errors mean.

Who may read and write is told by the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
AWS_REGION and AWS_ENDPOINT_URL, or what else Amazon's client knows (a profile, a pod's identity);
GOOGLE_APPLICATION_CREDENTIALS, or a pod's identity; STORAGE_EMULATOR_HOST names another server that speaks Google's
protocol.
"""

import contextlib
import datetime
import errno
import functools
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.remote.errors import Patience, TransientError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


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


def parts_of(address: str) -> tuple[str, str]:
    """Return scheme, and bucket and key as pyarrow takes them."""
    scheme, _, path = address.partition("://")
    return scheme, path


def file_system(scheme: str) -> "FileSystem":
    """Return the client of an object store, as the environment says; made once for one environment."""
    return _client(scheme, tuple(os.environ.get(name, "") for name in _ENVIRONMENT))


@functools.cache
def _client(scheme: str, environment: tuple[str, ...]) -> "FileSystem":
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
def translated(address: str) -> Iterator[None]:
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
        scheme, path = parts_of(address)
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

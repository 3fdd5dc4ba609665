"""Remote files by their addresses, whatever their scheme."""

import errno
import functools
from typing import TYPE_CHECKING

from components.remote import bucket
from components.remote.bucket import BucketObject, Entry
from components.remote.file import Opened, RangeFile

if TYPE_CHECKING:
    from components.remote.http import HttpFiles

SCHEMES = (*bucket.SCHEMES, "http", "https")


def is_remote(path: str) -> bool:
    """Return whether `path` is an address, such as gs://bucket/folder."""
    return "://" in path


def is_web(path: str) -> bool:
    """Return whether `path` is an address of a web server, which lists no folders."""
    return path.startswith(("http://", "https://"))


def fault(path: str) -> str:
    """Say what is wrong with an address, showing no password; empty if nothing is, or it is a local path."""
    scheme, is_address, rest = path.partition("://")
    if not is_address:
        return ""
    if scheme not in SCHEMES:
        allowed = ", ".join(f"{known}://" for known in SCHEMES)
        return f"{scheme}:// is not known here: give a folder, or an address that begins with {allowed}"
    if "@" in rest.partition("/")[0] or (is_web(path) and "?" in rest):
        return (
            f"an address of {scheme}:// must hold no password or token: put credentials into the environment"
        )
    return ""


def opened(address: str) -> Opened:
    """Open a file; any thread may read it.

    Raises:
        OSError: it is missing, may not be read, or its store does not answer.
    """
    if not is_web(address):
        return BucketObject(address)
    from components.remote.http import HttpObject

    return HttpObject(_web(), address)


def open_to_read(address: str) -> RangeFile:
    """Open a file as Python knows files.

    Raises:
        OSError: see `opened`.
    """
    return RangeFile(opened(address))


def entry(address: str) -> Entry | None:
    """Look what is at an address; None if there is nothing.

    Raises:
        OSError: the place refuses, or does not answer.
    """
    if not is_web(address):
        return bucket.entry(address)
    try:
        return Entry(address, False, _web().describe(address).size)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


@functools.cache
def _web() -> "HttpFiles":
    from components.remote.http import HttpFiles  # requests takes a moment to import

    return HttpFiles()

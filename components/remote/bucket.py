"""Objects of an object store: read, listed, written and removed at their addresses (s3://, gs://)."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from components.remote.clients import PATIENCE, file_system, parts_of, translated
from components.remote.errors import ChangedError, TransientError

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo

Result = TypeVar("Result")

SCHEMES = ("s3", "gs")


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
                with translated(self._address):
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

    scheme, path = parts_of(address)
    bucket = path.partition("/")[0]

    def look() -> Entry | None:
        with translated(address):
            found = file_system(scheme).get_file_info([path.rstrip("/"), bucket])
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

    scheme, path = parts_of(address)

    def look() -> list[Entry]:
        everything = recursive or scheme == "gs"  # whose client lists no folders
        with translated(address):
            found = file_system(scheme).get_file_info(FileSelector(path.rstrip("/"), recursive=everything))
        entries = [_entry(scheme, info) for info in found]
        return sorted(entries if recursive or not everything else _right_below(address.rstrip("/"), entries))

    return _retried(look, address)


def write(address: str, content: bytes) -> None:
    """Write an object; it appears when all of it has arrived.

    Raises:
        OSError: the store refuses the credentials, has no such bucket, or does not answer.
    """
    scheme, path = parts_of(address)

    def put() -> None:
        store = file_system(scheme)
        # No compression, whatever its name says.
        with translated(address), store.open_output_stream(path, compression=None) as stream:
            stream.write(content)

    _retried(put, address)


def remove(address: str) -> None:
    """Remove an object, or a folder with all that is in it.

    Raises:
        OSError: there is none, the store refuses the credentials, or does not answer.
    """
    scheme, path = parts_of(address)

    def take_away() -> None:
        with translated(address):
            store = file_system(scheme)
            if store.get_file_info(path.rstrip("/")).is_file:
                store.delete_file(path)
            elif scheme == "gs":  # whose client knows only folders that it made
                for below in [entry for entry in children(address, recursive=True) if not entry.is_folder]:
                    store.delete_file(parts_of(below.address)[1])
            else:
                store.delete_dir(path.rstrip("/"))

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
    scheme, path = parts_of(address)
    with translated(address):
        file = file_system(scheme).open_input_file(path)
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

"""Reads notes by their place, from any seekable source."""

import contextlib
import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, NamedTuple, cast

import nsynth
from components import tfrecord
from components.ingest import audio_files, files, jsonwav, tfds
from components.ingest.contract import ContractError, Note, Reason, check
from components.ingest.sources import Form, Source
from components.remote import address
from components.remote.file import Opened, RangeFile
from components.tfrecord import Record


class Taken(NamedTuple):
    """The bytes of a record."""

    source: Source
    place: Record
    raw: bytes  # none if there are too many
    intact: bool = True  # whether its checksum holds


class Wanted(NamedTuple):
    """A record that is to be read."""

    source: Source
    place: Record
    source_id: int


class Readers(contextlib.ExitStack):
    """The sources, each opened when it is first read from.

    At the end it makes sure that the remote ones are still what their indexes were made of.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__()
        self._sources = sources
        self._open: dict[int, BinaryIO] = {}
        self._remote: dict[int, Opened] = {}
        self._lock = threading.Lock()

    @property
    def are_remote(self) -> bool:
        """Whether each read is a request: then any thread may read, and many should."""
        return any(not files.is_local(source.path) for source in self._sources)

    def note(self, source_id: int, place: Record) -> tuple[bytes, Note]:
        """Return a record as a serialized tf.Example, and what the contract says it is.

        Raises:
            ContractError: the record breaks the contract; its `raw` holds the record's bytes.
        """
        return examine(self.take(Wanted(self._sources[source_id], place, source_id)))

    def take(self, wanted: Wanted) -> Taken:
        """Read a record's bytes, on any thread; of a local file on one at a time.

        Raises:
            OSError: they cannot be read, or the file is another one than its index is of.
        """
        source, place = wanted.source, wanted.place
        if place.length > tfrecord.LENGTH_LIMIT:
            return Taken(source, place, b"")
        with self._lock:
            file = self._file(wanted.source_id)
            if not isinstance(file, RangeFile):
                return _taken(source, place, file)
        return _taken(source, place, cast(BinaryIO, file))

    def _file(self, source_id: int) -> BinaryIO | RangeFile:
        source = self._sources[source_id]
        if files.is_local(source.manifest or source.path):
            if source_id not in self._open:
                file = contextlib.closing(files.open_to_read(source.manifest or source.path))
                self._open[source_id] = self.enter_context(file)
            return self._open[source_id]
        if source_id not in self._remote:
            opened = self.enter_context(contextlib.closing(address.opened(source.path)))
            files.refuse_other(source.path, opened.version, source.version)
            self._remote[source_id] = opened
        return RangeFile(self._remote[source_id], shared=True)  # a position for each read

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files.

        Raises:
            OSError: a remote file was replaced while it was read.
        """
        try:
            for source_id in self._remote if kind is None else ():
                source = self._sources[source_id]
                files.refuse_changed(source.path, source.version)
        finally:
            super().__exit__(kind, error, trace)


def _taken(source: Source, place: Record, file: BinaryIO) -> Taken:
    if source.form in (Form.JSONWAV, Form.AUDIO):
        file.seek(place.offset)
        return Taken(source, place, file.read(place.length))
    return Taken(source, place, *tfrecord.read_data(file, place))


def examine(taken: Taken) -> tuple[bytes, Note]:
    """Return a record as a serialized tf.Example, and what the contract says it is.

    Raises:
        ContractError: the record breaks the contract; its `raw` holds the record's bytes.
    """
    try:
        return _example(taken)
    except ContractError as error:
        error.raw = error.raw or taken.raw
        raise
    except (OSError, MemoryError, nsynth.UserError):
        raise  # of the disk or the machine
    except Exception as error:  # one record's fault never stops the others
        detail = f"{type(error).__name__}: {str(error)[:200]}"
        unreadable = ContractError(Reason.NOT_EXAMPLE, detail)
        unreadable.raw = taken.raw
        raise unreadable from error


def _example(taken: Taken) -> tuple[bytes, Note]:
    source, raw = taken.source, taken.raw
    if taken.place.length > tfrecord.LENGTH_LIMIT:
        raise ContractError(Reason.NOT_EXAMPLE, f"{taken.place.length:,} bytes are too many for a note")
    if source.form == Form.JSONWAV:
        record = jsonwav.read_example(raw, os.path.dirname(source.path))
        return record, check(record)
    if source.form == Form.AUDIO:
        return audio_files.read(raw, audio_files.root_of(source.path))
    record = tfds.official(raw) if source.form == Form.TFDS and taken.intact else raw
    return record, _checked(record, taken.intact)


def _checked(raw: bytes, intact: bool) -> Note:
    if intact:
        return check(raw)
    try:
        name = check(raw).note_str
    except ContractError as error:
        name = error.note_str
    raise ContractError(Reason.DATA_CRC, f"{len(raw):,} bytes", name)

"""Reads notes by their place, from any seekable source."""

import contextlib
import os
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import nsynth
from components import tfrecord
from components.ingest import audio_files, files, jsonwav, tfds
from components.ingest.contract import ContractError, Note, Reason, check
from components.ingest.sources import Form, Source
from components.tfrecord import Record


class Taken(NamedTuple):
    """The bytes of a record."""

    source: Source
    place: Record
    raw: bytes  # none if there are too many
    intact: bool = True  # whether its checksum holds


class Readers(contextlib.ExitStack):
    """The sources, each opened when it is first read from."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__()
        self._sources = sources
        self._open: dict[int, BinaryIO] = {}

    def note(self, source_id: int, place: Record) -> tuple[bytes, Note]:
        """A record as a serialized tf.Example, and what the contract says it is.

        Raises:
            ContractError: the record breaks the contract; its `raw` holds the record's bytes.
        """
        return examine(self.take(source_id, place))

    def take(self, source_id: int, place: Record) -> Taken:
        """Read a record's bytes, to be examined on any thread; only one may read."""
        source, file = self._sources[source_id], self._file(source_id)
        if place.length > tfrecord.LENGTH_LIMIT:
            return Taken(source, place, b"")
        if source.form in (Form.JSONWAV, Form.AUDIO):
            file.seek(place.offset)
            return Taken(source, place, file.read(place.length))
        return Taken(source, place, *tfrecord.read_data(file, place))

    def _file(self, source_id: int) -> BinaryIO:
        if source_id not in self._open:
            source = self._sources[source_id]
            file = self.enter_context(contextlib.closing(files.open_to_read(source.manifest or source.path)))
            self._open[source_id] = file
        return self._open[source_id]


def examine(taken: Taken) -> tuple[bytes, Note]:
    """A record as a serialized tf.Example, and what the contract says it is.

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

"""The framing of a TFRecord file: header scan, resynchronisation after damage, checked reads.

A record is `length: uint64 LE | masked CRC-32C of length | data | masked CRC-32C of data`. The scan reads the
12 bytes of each header and seeks over the data. Source: tensorflow/core/lib/io/record_writer.h.
"""

import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import google_crc32c
import numpy as np

import nsynth

HEADER_BYTES = 12
FOOTER_BYTES = 4
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

LENGTH_LIMIT = max(1 << 22, 8 * 4 * nsynth.NOTE_SAMPLES)
"""Bytes of data that a record of one note may have; a longer one is never read."""

_USUAL_LENGTH = 4 * nsynth.NOTE_SAMPLES + 2048  # of a note: its samples, and what is known of it
_SEARCH_BYTES = 1 << 20  # read at most at once while looking for the next header
_FIRST_SEARCH_BYTES = 1 << 12
_READINGS_LIMIT = 4  # how often a scan may read as many bytes as the file has
_MASK_DELTA = 0xA282EAD8


class Record(NamedTuple):
    """A record whose header holds: `offset` of the header in the file, `length` of the data, in bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Offset behind the record's last byte."""
        return self.offset + self.length + FRAME_BYTES


class Damage(NamedTuple):
    """Bytes of a file that belong to no readable record."""

    offset: int
    length: int


class DamagedEverywhereError(Exception):
    """A file has so many damaged or forged headers that a scan would not end in linear time."""


def masked_crc(*data: bytes) -> int:
    """CRC-32C of `data`, one after the other, rotated and shifted as TFRecord stores it."""
    crc = 0
    for part in data:
        crc = google_crc32c.extend(crc, part)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def frame(*data: bytes) -> bytes:
    """Return `data`, one after the other, as one TFRecord record."""
    length = struct.pack("<Q", sum(map(len, data)))
    return b"".join(
        (length, struct.pack("<I", masked_crc(length)), *data, struct.pack("<I", masked_crc(*data)))
    )


def data_length(header: bytes) -> int | None:
    """Return the length in bytes that a 12-byte header announces, None where its CRC does not hold."""
    if len(header) < HEADER_BYTES:
        return None
    length, crc = struct.unpack("<QI", header)
    return length if masked_crc(header[:8]) == crc else None


def read_data(file: BinaryIO, record: Record) -> tuple[bytes, bool]:
    """Return the data of a record and whether its CRC holds."""
    file.seek(record.offset + HEADER_BYTES)
    framed = file.read(record.length + FOOTER_BYTES)
    data, footer = framed[: record.length], framed[record.length :]
    return data, len(footer) == FOOTER_BYTES and masked_crc(data) == struct.unpack("<I", footer)[0]


def records(content: bytes) -> Iterator[bytes]:
    """Yield the data of every record of a whole file.

    Raises:
        ValueError: it is damaged.
    """
    file = io.BytesIO(content)
    for place in scan(file, len(content)):
        data, intact = read_data(file, place) if isinstance(place, Record) else (b"", False)
        if not intact:
            raise ValueError(f"the TFRecord is damaged at byte {place.offset:,}")
        yield data


def scan(file: BinaryIO, size: int, start: int = 0) -> Iterator[Record | Damage]:
    """Walk over the headers of a file of `size` bytes: each byte from `start` on lies in just one result, in order.

    Where a header does not hold, the record before it is under suspicion too (bytes may have been cut out of it
    or put in): if its data fails its CRC, the search for the next header starts inside of it. So is a record that is
    longer than a note: a forged length must not swallow the intact records behind it.

    Raises:
        DamagedEverywhereError: too much of the file would have to be read again and again.
    """
    previous: Record | None = None
    position = start
    reader = _BoundedReader(file, size)
    while position < size:
        record = _record_at(file, position, size)
        if record is not None and record.length > _USUAL_LENGTH and not reader.is_intact(record):
            record = None
        if record is None:
            damaged_from = position
            if previous is not None and not reader.is_intact(previous):
                damaged_from, previous = previous.offset, None
            if previous is not None:
                yield previous
            position = _next_header(reader, damaged_from + 1, size)
            yield Damage(damaged_from, position - damaged_from)
            previous = None
            continue
        if previous is not None:
            yield previous
        previous, position = record, record.end
    if previous is not None:
        yield previous


def next_header(file: BinaryIO, start: int, size: int) -> int:
    """Return the offset of the first whole record at or after `start`; `size` where there is none."""
    return _next_header(_BoundedReader(file, size), start, size)


def missing_bytes(file: BinaryIO, size: int, last: Damage) -> int:
    """Return how many bytes a file lacks of the record at its `last` damage; 0 where it was not cut off there."""
    file.seek(last.offset)
    length = data_length(file.read(HEADER_BYTES))
    if length is None or length > LENGTH_LIMIT:
        return 0
    return max(0, last.offset + FRAME_BYTES + length - size)


class _BoundedReader:
    """Reads what a scan has to look at again, up to a multiple of the file's size."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = _READINGS_LIMIT * size + _SEARCH_BYTES

    def is_intact(self, record: Record) -> bool:
        """Return whether the CRC of a record's data holds."""
        self._spend(record.length)
        return read_data(self._file, record)[1]

    def read(self, offset: int, count: int) -> bytes:
        """Read `count` bytes at most."""
        self._spend(count)
        self._file.seek(offset)
        return self._file.read(count)

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise DamagedEverywhereError


def _record_at(file: BinaryIO, offset: int, size: int) -> Record | None:
    file.seek(offset)
    length = data_length(file.read(HEADER_BYTES))
    if length is None or length > LENGTH_LIMIT or offset + FRAME_BYTES + length > size:
        return None
    return Record(offset, length)


def _next_header(reader: _BoundedReader, start: int, size: int) -> int:
    """Return the offset of the first whole record at or after `start`; `size` where there is none."""
    window_bytes = _FIRST_SEARCH_BYTES
    while start + FRAME_BYTES <= size:
        window = reader.read(start, min(window_bytes, size - start))
        for place in _plausible_headers(window, min(size, LENGTH_LIMIT)):
            header = window[place : place + HEADER_BYTES]
            length = data_length(header)
            if length is not None and start + place + FRAME_BYTES + length <= size:
                return start + place
        start += max(1, len(window) - HEADER_BYTES + 1)
        window_bytes = min(2 * window_bytes, _SEARCH_BYTES)
    return size


def _plausible_headers(window: bytes, size: int) -> list[int]:
    """Return the places in `window` where eight bytes could be the length of a record of at most `size` bytes.

    This leaves few places to compute a CRC for. An empty record is no place to resume: runs of zeros are full of
    would-be lengths of 0.
    """
    places = len(window) - HEADER_BYTES + 1
    if places <= 0:
        return []
    found = []
    for shift in range(8):  # all places that are `shift` bytes behind a multiple of eight
        lengths = np.frombuffer(window, "<u8", (len(window) - shift) // 8, shift)
        found.append(
            8 * np.flatnonzero(lengths - np.uint64(1) < np.uint64(size)) + shift
        )  # 0 - 1 is the largest
    ordered = np.sort(np.concatenate(found))
    return ordered[ordered < places].tolist()


def advise_random_access(file: BinaryIO) -> None:
    """Tell the kernel not to read ahead: a header scan wants 12 bytes of each 256 KB."""
    if hasattr(os, "posix_fadvise"):
        try:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        except (OSError, AttributeError):  # not a file of this machine
            return

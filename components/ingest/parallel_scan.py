"""The header scan of a remote TFRecord from several places at once, since each header is a request."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

from components import tfrecord
from components.remote.file import RangeFile
from components.tfrecord import Record

PARTS = 32
PART_BYTES = 1 << 24
"""Smaller parts are not worth the search for their first record."""


def records(file: BinaryIO, size: int) -> list[Record] | None:
    """Find the records of a file without damage, in order.

    Each part is walked from its first header on. Where every walk ends just at the first header of the next part, all
    of them together are the walk from the front.

    Args:
        file: the whole of it.
        size: in bytes.

    Returns:
        None where a walk from the front is needed: the file is local, small or damaged.

    Raises:
        OSError: it cannot be read.
        tfrecord.DamagedEverywhereError: hardly anything of it is whole.
    """
    parts = min(PARTS, size // PART_BYTES)
    if not isinstance(file, RangeFile) or parts < 2:
        return None
    remote = file

    def another() -> BinaryIO:
        return cast(BinaryIO, remote.another())

    def first(part: int) -> int:
        return tfrecord.next_header(another(), part * size // parts, size) if part else 0

    with ThreadPoolExecutor(parts) as pool:
        starts = [*pool.map(first, range(parts)), size]
        walks = list(pool.map(lambda ends: _walk(another(), size, *ends), itertools.pairwise(starts)))
    found: list[Record] = []
    for walk in walks:
        if walk is None:
            return None
        found += walk
    return found


def _walk(file: BinaryIO, size: int, start: int, end: int) -> list[Record] | None:
    """Find the records from `start` to `end`; None if one of them is damaged or ends elsewhere."""
    found: list[Record] = []
    for record in tfrecord.scan(file, size, start) if start < end else ():
        if not isinstance(record, Record) or record.offset >= end:
            break
        found.append(record)
        if record.end == end:
            return found
    return found if start == end else None

"""A sample of a TFRecord file: short runs of records at evenly spread places.

The official file is ordered roughly by family, so evenly spread places are a stratified choice: every family gets its
share, and an instrument with more notes than lie between two places cannot be missed. Where a record begins is found
by the checksum of its header; every record's own checksum is verified.
"""

import contextlib
import io
import random
from typing import NamedTuple

import nsynth
from components import tfrecord
from components.remote.http import Remote
from components.tfrecord import Record
from pipeline.download.origin import Origin
from pipeline.download.part import Segment

RUN_RECORDS = 4
"""Records at one place. More would waste less (a record a place) and miss more instruments: docs/download.md."""
_SLACK_BYTES = 4096  # the lengths of names and lists of qualities differ by less
_USUAL_DIFFERENCE_BYTES = 512  # between the lengths of two records


class Place(NamedTuple):
    """A window of the file and how many records to take of it."""

    segment: Segment
    records: int


class Run(NamedTuple):
    """What a window held."""

    records: list[bytes]
    """Records with their frames, as they are in the file."""
    damaged: int
    """Records left out, and stretches between records skipped, because a checksum failed."""
    gap: int
    """Bytes before the first record: the end of the one that the window begins in."""


def record_bytes(origin: Origin, remote: Remote) -> int:
    """Return the size of the file's first record with its frame.

    Raises:
        nsynth.UserError: the file does not begin with a record.
    """
    header = b"".join(origin.stream(remote, 0, min(tfrecord.HEADER_BYTES, remote.size)))
    length = tfrecord.data_length(header)
    if length is None or not 0 < length <= tfrecord.LENGTH_LIMIT:
        raise nsynth.UserError(f"{remote.url} is not a TFRecord of notes: it does not begin with a record.")
    return length + tfrecord.FRAME_BYTES


def plan(size: int, record: int, notes: int, seed: int, run: int = RUN_RECORDS) -> list[Place] | None:
    """Choose the places.

    Args:
        size: of the file, in bytes.
        record: size of a usual record, in bytes.
        notes: how many records to take.
        seed: moves all places by the same offset.
        run: records at one place.

    Returns:
        Windows that do not overlap, each one record larger than what it is to yield, since it may begin anywhere
        within a record. None if they would fill the file: then it is better taken whole.
    """
    count = -(-notes // run)
    window = (run + 1) * (record + _SLACK_BYTES)
    spacing = size / count
    if window > spacing:
        return None
    offset = random.Random(seed).uniform(0, spacing - window)
    fewer = count * run - notes  # so many places yield a record less
    places = []
    for number in range(count):
        records = run - ((number + 1) * fewer // count - number * fewer // count)
        length = (records + 1) * (record + _SLACK_BYTES)
        places.append(Place(Segment(int(offset + number * spacing), length), records))
    return places


def cut(window: bytes, records: int) -> Run:
    """Return the first `records` records that begin in a window and end in it."""
    file = io.BytesIO(window)
    found: list[bytes] = []
    damaged, gap, skipped = 0, len(window), False
    with contextlib.suppress(tfrecord.DamagedEverywhereError):  # the records before are good
        for place in tfrecord.scan(file, len(window)):
            if not isinstance(place, Record):
                skipped = True
                continue
            if gap < len(window):
                damaged += skipped
            gap, skipped = min(gap, place.offset), False
            if tfrecord.read_data(file, place)[1]:
                found.append(window[place.offset : place.end])
            else:
                damaged += 1
            if len(found) == records:
                break  # before the scan searches what is left for another header
    return Run(found, damaged, gap)


def arrived(window: bytes, records: int) -> bool:
    """Return whether a window yields all that is wanted of it, unharmed.

    A gap as long as a record hides one whose header was lost, but for those few that begin just there.
    """
    run = cut(window, records)
    if len(run.records) < records or run.damaged:
        return False
    return run.gap < len(run.records[0]) - _USUAL_DIFFERENCE_BYTES

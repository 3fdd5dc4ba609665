"""Any damage at any place: nothing crashes, nothing altered passes, nothing outside of the damage is lost."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import tfrecord
from components.tfrecord import Damage, Record

# Zeros are common in sound and look like lengths; random bytes do not repeat.
contents = st.one_of(st.binary(min_size=1, max_size=300), st.integers(1, 300).map(bytes))
several = st.lists(contents, min_size=1, max_size=8)


def frames(contents: list[bytes]) -> tuple[bytes, list[Record]]:
    records, offset = [], 0
    for content in contents:
        records.append(Record(offset, len(content)))
        offset = records[-1].end
    return b"".join(map(tfrecord.frame, contents)), records


def scan(file: bytes) -> list[Record | Damage]:
    return list(tfrecord.scan(io.BytesIO(file), len(file)))


@given(several)
def test_a_whole_file_is_read_record_by_record_and_a_damaged_one_is_told(contents: list[bytes]) -> None:
    file, _ = frames(contents)
    assert list(tfrecord.records(file)) == contents
    with pytest.raises(ValueError, match="is damaged at byte"):
        list(tfrecord.records(file[:-1]))


def intact(file: bytes) -> list[bytes]:
    """Contents of the records whose checksums hold; checks that the scan accounts for each byte just once."""
    position, found = 0, []
    for place in scan(file):
        assert place.offset == position
        position = place.end if isinstance(place, Record) else place.offset + place.length
        if isinstance(place, Record):
            data, holds = tfrecord.read_data(io.BytesIO(file), place)
            if holds:
                found.append(data)
    assert position == len(file)
    return found


def outside(contents: list[bytes], records: list[Record], start: int, end: int) -> list[bytes]:
    """What lies wholly outside of [start, end)."""
    return [
        content
        for content, record in zip(contents, records, strict=True)
        if record.end <= start or record.offset >= end
    ]


def is_subsequence(part: list[bytes], whole: list[bytes]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


def assert_survives(damaged: bytes, contents: list[bytes], untouched: list[bytes]) -> None:
    found = intact(damaged)
    assert is_subsequence(found, contents), "an altered record passed"
    assert is_subsequence(untouched, found), "a record outside of the damage was lost"


@given(several)
def test_an_undamaged_file_is_found_whole(contents: list[bytes]) -> None:
    file, records = frames(contents)
    assert scan(file) == records
    assert intact(file) == contents


@given(several, st.data())
def test_a_flipped_bit_costs_one_record(contents: list[bytes], data: st.DataObject) -> None:
    file, records = frames(contents)
    place, bit = data.draw(st.integers(0, len(file) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(file)
    damaged[place] ^= 1 << bit
    assert_survives(bytes(damaged), contents, outside(contents, records, place, place + 1))
    assert len(intact(bytes(damaged))) == len(contents) - 1


@given(several, st.data())
def test_a_gap_of_zeros_costs_what_it_covers(contents: list[bytes], data: st.DataObject) -> None:
    file, records = frames(contents)
    start = data.draw(st.integers(0, len(file) - 1))
    end = data.draw(st.integers(start + 1, len(file)))
    damaged = file[:start] + bytes(end - start) + file[end:]
    assert_survives(damaged, contents, outside(contents, records, start, end))


@given(several, st.data())
def test_overwritten_bytes_cost_what_they_cover(contents: list[bytes], data: st.DataObject) -> None:
    file, records = frames(contents)
    rubbish = data.draw(st.binary(min_size=1, max_size=len(file)))
    start = data.draw(st.integers(0, len(file) - len(rubbish)))
    end = start + len(rubbish)
    damaged = file[:start] + rubbish + file[end:]
    assert_survives(damaged, contents, outside(contents, records, start, end))


@given(several, st.data())
def test_a_truncated_tail_costs_what_was_cut(contents: list[bytes], data: st.DataObject) -> None:
    file, records = frames(contents)
    end = data.draw(st.integers(0, len(file) - 1))
    assert intact(file[:end]) == outside(contents, records, end, len(file))


@given(several, st.data())
def test_inserted_bytes_cost_the_record_they_are_in(contents: list[bytes], data: st.DataObject) -> None:
    file, records = frames(contents)
    place = data.draw(st.integers(0, len(file)))
    rubbish = data.draw(st.one_of(st.binary(min_size=1, max_size=400), st.integers(1, 400).map(bytes)))
    assert_survives(file[:place] + rubbish + file[place:], contents, outside(contents, records, place, place))


@given(st.lists(st.binary(min_size=100, max_size=100), min_size=1, max_size=8), st.data())
def test_a_cut_costs_the_records_it_touches(contents: list[bytes], data: st.DataObject) -> None:
    file, records = frames(contents)
    start = data.draw(st.integers(0, len(file) - 1))
    end = data.draw(st.integers(start + 1, len(file)))
    assert_survives(file[:start] + file[end:], contents, outside(contents, records, start, end))


@given(st.binary(max_size=2000))
def test_rubbish_holds_no_record(rubbish: bytes) -> None:
    assert intact(rubbish) == []


@pytest.mark.parametrize("gap", [100, (1 << 20) - 12, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_gap_wider_than_the_search_window_is_crossed(gap: int) -> None:
    first, last = tfrecord.frame(b"first"), tfrecord.frame(b"last")
    assert intact(first + bytes(gap) + last) == [b"first", b"last"]


def test_damage_is_told_to_the_byte() -> None:
    file, records = frames([b"a" * 50, b"b" * 50, b"c" * 50])
    damaged = bytearray(file)
    damaged[records[1].offset] ^= 1
    assert scan(bytes(damaged)) == [records[0], Damage(records[1].offset, 66), records[2]]


@pytest.mark.slow
def test_framing_is_tensorflows(tmp_path) -> None:
    import tensorflow as tf

    contents = [b"one", b"", bytes(1000)]
    path = tmp_path / "theirs"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)
    assert path.read_bytes() == b"".join(map(tfrecord.frame, contents))


def forged_header(length: int) -> bytes:
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", tfrecord.masked_crc(packed))


@pytest.mark.parametrize("swallowed", [1, 3, 20])
def test_a_forged_length_swallows_no_intact_record(swallowed: int) -> None:
    record = tfrecord.frame(bytes(range(256)) * 1002)  # as long as a note
    rest = [record] * swallowed
    length = len(record) + sum(map(len, rest)) - tfrecord.FRAME_BYTES
    file = record + forged_header(length) + record[tfrecord.HEADER_BYTES :] + b"".join(rest) + record
    found = list(tfrecord.scan(io.BytesIO(file), len(file)))
    assert sum(isinstance(place, Record) for place in found) == swallowed + 2
    assert [place.offset for place in found if isinstance(place, Damage)] == [len(record)]


def test_forged_headers_everywhere_end_in_linear_time() -> None:
    file = b"".join(forged_header(1_000_000) + bytes(8) for _ in range(100_000))
    with pytest.raises(tfrecord.DamagedEverywhereError):
        list(tfrecord.scan(io.BytesIO(file), len(file)))

"""A remote file reads as a local one does, with few requests and little memory."""

import gzip
import io
import random

import pytest

from components.remote.file import RangeFile

CONTENT = random.Random(3).randbytes(9_000_000)


class Counted:
    """An opened file that counts the requests."""

    version = "1"

    def __init__(self, content: bytes) -> None:
        self._content, self.size = content, len(content)
        self.requests: list[int] = []
        self.closed = False

    def read(self, start: int, end: int) -> bytes:
        self.requests.append(end - start)
        return self._content[start:end]

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("step", [1, 1000, 8192, 70_000, 5_000_000])
def test_reading_on_fetches_ever_more_up_to_a_limit(step: int) -> None:
    opened = Counted(CONTENT[: 300 * step])
    file = RangeFile(opened)
    found = []
    while part := file.read(step):
        found.append(part)
    assert b"".join(found) == CONTENT[: 300 * step]
    assert sum(opened.requests) == opened.size
    assert max(opened.requests) <= max(1 << 22, step)
    assert len(opened.requests) <= 3 + opened.size // min(1 << 22, max(step, 1 << 18))


def test_scattered_reads_fetch_what_is_wanted() -> None:
    opened = Counted(CONTENT)
    file = RangeFile(opened)
    for start in range(8_000_000, 0, -500_000):
        file.seek(start)
        assert file.read(12) == CONTENT[start : start + 12]
    assert set(opened.requests) == {12}


def test_it_is_a_file_for_others_too() -> None:
    packed = gzip.compress(CONTENT[:3_000_000], 1)
    assert gzip.GzipFile(fileobj=RangeFile(Counted(packed))).read() == CONTENT[:3_000_000]
    lines = io.TextIOWrapper(RangeFile(Counted(b"a\nb\n" * 100_000)), encoding="utf-8")
    assert sum(1 for _ in lines) == 200_000


def test_a_shared_file_stays_open() -> None:
    opened = Counted(CONTENT)
    RangeFile(opened, shared=True).close()
    assert not opened.closed
    RangeFile(opened).close()
    assert opened.closed

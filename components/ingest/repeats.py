"""Finds what occurs more than once among any number of notes; memory grows with what repeats alone."""

import json
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import IO, NamedTuple

import numpy as np

_CHUNK = 1 << 14  # notes
_BUCKETS = 64  # files of hashes: one of them is in memory at a time, 7.5 MB at 30 million notes


class _Chunk(NamedTuple):
    """Notes whose labels lie together in the file."""

    first: int  # position of the first one
    offset: int
    length: int


class Repeats:
    """Keeps a hash and the position of each key in temporary files, by the hash, and the labels in another."""

    def __init__(self) -> None:
        self._hashes: list[IO[bytes]] = []
        self._chunks: list[_Chunk] = []
        self._labels = tempfile.TemporaryFile()  # noqa: SIM115
        self._waiting: list[tuple[str, str]] = []
        self._notes = 0

    def add(self, key: str, label: str) -> None:
        """Take in a note: `key` is what may repeat, `label` what it is called then."""
        self._waiting.append((key, label))
        if len(self._waiting) == _CHUNK:
            self._put_away()

    def groups(self) -> list[np.ndarray]:
        """Return ascending positions, int64 [two or more], of notes that share a key, by their second ones."""
        self._put_away()
        found = [group for bucket in self._hashes for group in _repeated(bucket)]
        return sorted(found, key=lambda group: group[1])

    def labels(self, positions: Iterable[int]) -> Mapping[int, str]:
        """Return position → label; each part of the file is read once."""
        self._put_away()
        found: dict[int, str] = {}
        loaded, labels = -1, []
        for position in sorted(map(int, positions)):
            number = bisect_right(self._chunks, position, key=lambda chunk: chunk.first) - 1
            chunk = self._chunks[number]
            if number != loaded:
                self._labels.seek(chunk.offset)
                loaded, labels = number, json.loads(self._labels.read(chunk.length))
            found[position] = labels[position - chunk.first]
        return found

    def _put_away(self) -> None:
        if not self._waiting:
            return
        keys, labels = zip(*self._waiting, strict=True)
        rows = np.empty((len(keys), 2), np.int64)
        rows[:, 0] = [hash(key) for key in keys]
        rows[:, 1] = np.arange(self._notes, self._notes + len(keys))
        if not self._hashes:
            self._hashes = [tempfile.TemporaryFile() for _ in range(_BUCKETS)]  # noqa: SIM115
        bucket = rows[:, 0] % _BUCKETS
        for number, file in enumerate(self._hashes):
            file.write(rows[bucket == number].tobytes())
        self._labels.seek(0, 2)
        content = json.dumps(labels).encode()
        self._chunks.append(_Chunk(self._notes, self._labels.tell(), len(content)))
        self._labels.write(content)
        self._notes += len(keys)
        self._waiting.clear()


def _repeated(bucket: IO[bytes]) -> list[np.ndarray]:
    """Return the positions of the notes that share a hash, group by group, from a file of rows of hash and position."""
    bucket.seek(0)
    rows = np.frombuffer(bucket.read(), np.int64).reshape(-1, 2)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    again = np.flatnonzero(rows[1:, 0] == rows[:-1, 0]) + 1  # where a hash is that of the row before
    if not len(again):
        return []
    groups = np.split(again, np.flatnonzero(np.diff(again) > 1) + 1)
    return [rows[group[0] - 1 : group[-1] + 1, 1].copy() for group in groups]

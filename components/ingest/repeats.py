"""Finds what occurs more than once among millions of notes, in a few bytes of memory a note."""

import json
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

_CHUNK = 1 << 14  # notes


class _Chunk(NamedTuple):
    """Notes whose labels lie together in the file."""

    first: int  # position of the first one
    offset: int
    length: int


class Repeats:
    """Remembers a hash of each key, 8 bytes; the labels wait in a temporary file."""

    def __init__(self) -> None:
        self._hashes: list[np.ndarray] = []
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
        if not self._hashes:
            return []
        self._hashes = [np.concatenate(self._hashes)]
        order = np.argsort(self._hashes[0], kind="stable")
        hashes = self._hashes[0][order]
        again = (
            np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
        )  # the places where a hash is that of the one before
        if not len(again):
            return []
        firsts = np.flatnonzero(np.diff(again, prepend=-1) > 1)  # of `again`, where another group begins
        ends = np.append(firsts[1:], len(again))
        found = [
            order[again[first] - 1 : again[end - 1] + 1] for first, end in zip(firsts, ends, strict=True)
        ]
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
        self._hashes.append(np.array([hash(key) for key in keys], np.int64))
        self._labels.seek(0, 2)
        content = json.dumps(labels).encode()
        self._chunks.append(_Chunk(self._notes, self._labels.tell(), len(content)))
        self._labels.write(content)
        self._notes += len(keys)
        self._waiting.clear()

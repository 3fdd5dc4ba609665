"""Finds the entries of a large JSON object without parsing them: one pass, constant memory, any depth of nesting."""

import re
from collections.abc import Iterator
from typing import BinaryIO

_READ_BYTES = 1 << 20
_AHEAD_BYTES = 1 << 16  # what one step may look at; a key that does not fit is refused

_BLANKS = rb"[ \t\r\n]*+"
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_OPENING = re.compile(_BLANKS + rb"\{")
_CLOSING = re.compile(_BLANKS + rb"\}")
_KEY = re.compile(_BLANKS + _STRING + _BLANKS + rb":" + _BLANKS, re.DOTALL)
_NEXT_KEY = re.compile(_BLANKS + rb"," + _KEY.pattern, re.DOTALL)
_FLAT = re.compile(rb'\{[^"{}]*+(?:' + _STRING + rb'[^"{}]*+)*+\}', re.DOTALL)  # an object in no other
_TOKEN = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class NotEntriesError(Exception):
    """The file is not one object of objects; the message says from which byte on."""


def scan(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield offset and length in bytes of each value of `{"<key>": {...}, ...}`.

    What an entry holds is not looked at beyond its strings and brackets.

    Raises:
        NotEntriesError: the file is something else, is cut off, or goes on behind the object.
    """
    window = _Window(file)
    if not window.take(_OPENING):
        raise NotEntriesError(f"no valid JSON from byte {window.offset} on: wanted an object")
    key = _KEY
    while not window.take(_CLOSING):
        if not window.take(key):
            raise NotEntriesError(f"no valid JSON from byte {window.offset} on")
        key, start = _NEXT_KEY, window.offset
        if not window.starts_with(b"{"):
            raise NotEntriesError(f"byte {start}: wanted an object for each note")
        if not window.take(_FLAT) and not window.take_nested():
            raise NotEntriesError(f"no valid JSON from byte {start} on: the entry does not end")
        yield start, window.offset - start
    if not window.ends_blank():
        raise NotEntriesError(f"text behind the closing brace, from byte {window.offset} on")


class _Window:
    """The part of a file that is being looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes = b""
        self._start = 0  # of the window, in the file
        self._place = 0  # in the window

    @property
    def offset(self) -> int:
        """Where in the file the next byte lies."""
        return self._start + self._place

    def take(self, pattern: re.Pattern[bytes]) -> bool:
        """Step over what matches here."""
        while len(self._bytes) - self._place < _AHEAD_BYTES and self._fill():
            pass
        found = pattern.match(self._bytes, self._place)
        if found:
            self._place = found.end()
        return found is not None

    def starts_with(self, prefix: bytes) -> bool:
        """Return whether the next bytes are `prefix`."""
        return self._bytes.startswith(prefix, self._place)

    def take_nested(self) -> bool:
        """Step over a value of any depth and length; False where the file ends in it."""
        depth = 0
        while True:
            token = _TOKEN.search(self._bytes, self._place)
            if token is None:
                self._place = len(self._bytes)
                if not self._fill():
                    return False
                continue
            self._place = token.end()
            if token[0] == b'"':
                if not self._take_string():
                    return False
                continue
            depth += 1 if token[0] in b"{[" else -1
            if not depth:
                return True

    def _take_string(self) -> bool:
        while True:
            found = _IN_STRING.match(self._bytes, self._place)
            assert found is not None  # it may be empty
            self._place = found.end()
            if self.starts_with(b'"'):
                self._place += 1
                return True
            if not self._fill():
                return False

    def ends_blank(self) -> bool:
        """Return whether nothing but blanks follows; stops at what else there is."""
        while True:
            rest = self._bytes[self._place :].lstrip(b" \t\r\n")
            self._place = len(self._bytes) - len(rest)
            if rest or not self._fill():
                return not rest

    def _fill(self) -> bool:
        more = self._file.read(_READ_BYTES)
        self._start += self._place
        self._bytes, self._place = self._bytes[self._place :] + more, 0
        return bool(more)

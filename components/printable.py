"""Text from outside, such as names in data and of files, made fit for terminals, logs and JSON."""

import os


def printable(text: str | os.PathLike[str]) -> str:
    r"""Return `text` with control characters and undecodable bytes escaped, as in `caf\xe9.wav`."""
    return "".join(
        character if character.isprintable() else _escape(character) for character in os.fspath(text)
    )


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a file name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

"""Standard output and error: usable in every terminal, and harmless whatever is written to them.

One place for four things: characters that the terminal's encoding lacks are replaced, control characters are shown
instead of obeyed (names of files and notes come from strangers), output whose reader has left is dropped, and output
that cannot be written is an error.
"""

import codecs
import errno
import io
import locale
import os
import re
import sys
from typing import Any, TextIO

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters except tab and newline, and those that change the direction of text."""
_REPLACEMENTS = {"✓": "+", "✗": "x", "×": "x", "–": "-", "—": "-", "…": "...", "→": "->", "≥": ">=", "│": "|"}
_ERRORS = "nsynth_readable"
_READER_LEFT = {errno.EPIPE, errno.EIO}
_STDOUT, _STDERR = 1, 2
_expendable = False
_stdout_closed = False
_failure: OSError | None = None


def prepare() -> None:
    """Make the standard streams of this process usable; a process in an encoding other than UTF-8 starts again.

    Files are read and written as UTF-8 then, here and in child processes, while the terminal keeps its encoding.
    """
    global _stdout_closed
    if not sys.flags.utf8_mode and codecs.lookup(locale.getencoding()).name != "utf-8":
        encoding = os.environ.get("PYTHONIOENCODING") or f"{locale.getencoding()}:backslashreplace"
        environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": encoding}
        os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)
    _stdout_closed = _STDOUT in [descriptor for descriptor in range(3) if _opened(descriptor)]
    sys.stdout = Stream(1, sys.stdout)
    sys.stderr = Stream(2, sys.stderr)
    sys.stderr.reconfigure(line_buffering=True)  # an error shows at once, wherever it goes


def make_output_expendable() -> None:
    """From here on the work counts: whatever keeps output from being written, a full disk too, is ignored."""
    global _expendable
    _expendable = True


def finish() -> None:
    """Write what is buffered; if expendable output was lost, report it on standard error.

    Raises:
      OSError: something that was to go to standard output could not be written, now or before.
    """
    sys.stdout.flush()
    if _failure and not _expendable:
        raise _failure
    if _failure:
        print(f"nsynth: {_failure.strerror}", file=sys.stderr)


def plain(text: str) -> str:
    r"""Show control characters as JSON does (\u001b), so that no terminal obeys them."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Stream(io.TextIOWrapper):
    """Text to a file descriptor: control characters are shown, and a reader who has left is no error."""

    def __init__(self, descriptor: int, like: TextIO | None = None, owned: bool = False):
        """Write to `descriptor`, in the encoding and with the buffering of `like`, else as UTF-8 by the line.

        An `owned` descriptor is closed with the stream.
        """
        super().__init__(
            io.BufferedWriter(_Descriptor(descriptor, "w", closefd=owned)),
            encoding=getattr(like, "encoding", None) or "utf-8",
            errors=_ERRORS,
            line_buffering=getattr(like, "line_buffering", True),
        )
        self.styled = Styled(self)
        """The same without the protection, for one who protects the text before adding colours to it."""

    def write(self, text: str) -> int:
        """Write with control characters made visible."""
        return super().write(plain(text))


class Styled:
    """What rich writes to: escape codes pass."""

    def __init__(self, stream: Stream):
        self._stream = stream
        self.encoding = stream.encoding
        self.flush, self.isatty, self.fileno = stream.flush, stream.isatty, stream.fileno

    def write(self, text: str) -> int:
        """Write the text as it is."""
        return io.TextIOWrapper.write(self._stream, text)


class _Descriptor(io.FileIO):
    """A file descriptor whose reader may leave. After a failure, standard output and error go to /dev/null."""

    def write(self, data: Any) -> int:
        global _failure, _stdout_closed
        descriptor = self.fileno()
        try:
            if descriptor == _STDOUT and _stdout_closed:
                _stdout_closed = False
                raise OSError(errno.EBADF, "it is closed")
            return super().write(data)
        except OSError as error:
            if descriptor in (_STDOUT, _STDERR):  # what is still buffered must not fail again as Python ends
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            if descriptor == _STDOUT and error.errno not in _READER_LEFT:
                error.strerror = f"cannot write to standard output: {error.strerror}"
                _failure = error
            if error.errno in _READER_LEFT or descriptor == _STDERR or _expendable:
                return len(data)
            raise


def _opened(descriptor: int) -> bool:
    """Open a standard stream that the caller closed, else the next file opened would take its place."""
    try:
        os.fstat(descriptor)
        return False
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        os.set_inheritable(descriptor, True)
        return True


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that the encoding lacks; half a surrogate pair stands for a byte that is not UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    shown = (
        _REPLACEMENTS.get(c) or (f"\\u{ord(c):04x}" if 0xD800 <= ord(c) < 0xE000 else "?") for c in missing
    )
    return "".join(shown), error.end


codecs.register_error(_ERRORS, _readable)

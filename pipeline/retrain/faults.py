"""Which errors may pass by themselves, so that a round is worth another attempt."""

import errno
import re
from collections.abc import Iterator

_PASSING = {
    # the disk
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE,
    # the network
    errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPIPE,
    errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN,
    # the machine
    errno.ENOMEM, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
# Errors of Beam's workers and of native code come back as text alone.
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_WORDS = re.compile(
    r"no space left on device|database or disk is full|disk quota exceeded|file too large"
    r"|connection (timed out|reset|refused)|temporary failure in name resolution|deadline exceeded",
    re.IGNORECASE,
)


def may_pass(error: BaseException) -> bool:
    """Whether `error`, or one that it came from, is about the disk, the network or memory."""
    return any(_passes(link) for link in _chain(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError, MemoryError)):
        return True
    if isinstance(error, OSError) and error.errno in _PASSING:
        return True
    text = str(error)
    return any(int(number) in _PASSING for number in _NUMBER.findall(text)) or bool(_WORDS.search(text))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

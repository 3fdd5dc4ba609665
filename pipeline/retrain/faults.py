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
    errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EBUSY, errno.EAGAIN,
}  # fmt: skip
# Errors of Beam's workers and of native code come back as text alone.
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_WORDS = re.compile(
    r"no space left on device|database or disk is full|disk quota exceeded|file too large"
    r"|connection (timed out|reset|refused)|temporary failure in name resolution|deadline exceeded"
    # A database that others use; the second line is what ML Metadata makes of it.
    r"|database (table |schema )?is locked|lock wait timeout exceeded|deadlock (found|detected)"
    r"|concurrent writes aborted"
    r"|too many (connections|clients)|server (has gone away|closed the connection)|lost connection to \S* ?server"
    r"|the database system is (starting up|shutting down|in recovery mode)",
    re.IGNORECASE,
)
# Of gRPC, ML Metadata and TensorFlow, whose classes share these names and no base.
_TYPES = {"AbortedError", "UnavailableError", "DeadlineExceededError"}


def may_pass(error: BaseException) -> bool:
    """Return whether `error`, or one that it came from, is about the disk, the network, memory or a busy database."""
    return any(_passes(link) for link in _chain(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError, MemoryError)):
        return True
    if any(cls.__name__ in _TYPES for cls in type(error).__mro__):
        return True
    if isinstance(error, OSError) and error.errno in _PASSING:
        return True
    text = str(error)
    return any(int(number) in _PASSING for number in _NUMBER.findall(text)) or bool(_WORDS.search(text))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

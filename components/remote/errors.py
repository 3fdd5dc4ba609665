"""What can go wrong with a remote file, as errors of the operating system: callers treat them as they do a disk's.

`errno` tells the kind: ENOENT, it is missing; EACCES, the credentials are refused; ESTALE, it is another file now; EIO,
the place does not answer. `filename` is the address. None of them names a credential.
"""

import errno
import random
import threading
from typing import NamedTuple


class ChangedError(OSError):
    """The file is not the one that was looked up."""

    def __init__(self, address: str) -> None:
        super().__init__(errno.ESTALE, "changed while it was being read", address)


class TransientError(Exception):
    """Worth another attempt, after `wait_s` if the server named a time."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Patience(NamedTuple):
    """How long to bear with a server."""

    attempts: int = 8
    """Failures in a row without a byte in between before it counts as unreachable."""
    first_wait_s: float = 0.5
    """Wait after the first failure; each further one doubles it."""
    longest_wait_s: float = 30.0
    timeout_s: float = 30.0
    """For the connection, and for each read."""

    def wait(
        self, address: str, failures: int, error: TransientError, stop: threading.Event | None = None
    ) -> None:
        """Wait before the next attempt.

        Args:
            address: of the file, for the message.
            failures: how many attempts in a row have failed.
            error: the last failure.
            stop: ends the wait when it is set.

        Raises:
            OSError: too many attempts have failed.
        """
        if failures >= self.attempts:
            raise OSError(
                errno.EIO, f"{failures} attempts in a row failed, the last one with: {error}", address
            ) from error
        wait_s = min(self.longest_wait_s, self.first_wait_s * 2 ** (failures - 1))
        wait_s *= random.uniform(0.5, 1)  # so that the connections do not come back all at once
        (stop or threading.Event()).wait(min(self.longest_wait_s, max(wait_s, error.wait_s or 0)))


PATIENCE = Patience()

"""One HTTP request, with a limit on the whole of it, that goes to the host it is meant for and to no other."""

import contextlib
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

import nsynth

ANSWER_BYTES = 1 << 20  # no answer that is wanted here is longer
_REASON_BYTES = 1 << 14


class RequestError(nsynth.UserError):
    """A request that failed. The message names neither path nor query, which may hold a token."""

    def __init__(self, message: str, status: int | None = None, redirect: str = "", content: bytes = b""):
        super().__init__(message)
        self.status = status
        """What the server answered; None if it did not."""
        self.redirect = redirect
        """The host that it named instead of itself, if it did."""
        self.content = content
        """The beginning of what it said about the failure."""


def host_of(address: str) -> str:
    """Return scheme and host of an address: what may be shown of it."""
    try:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname or '…'}" + (f":{parts.port}" if parts.port else "")
    except ValueError:  # no number as port, or a bracket that is not closed
        return f"{address.partition('://')[0]}://…"


def request(
    address: str, timeout_s: float, content: bytes | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Send one request; redirects are not followed, so that nobody else gets what is sent.

    Args:
      address: http or https.
      timeout_s: for the whole: finding the host, connecting and its answer, however slowly that trickles in.
      content: is posted; without it the request is a GET.
      headers: to be sent.

    Returns:
      The answer, at most its first megabyte.

    Raises:
      RequestError: no address, no answer in time, or one that is no success.
    """
    outcome: list[bytes | Exception] = []
    said: list[bytes] = []

    def ask() -> None:
        try:
            asked = urllib.request.Request(address, content, dict(headers or {}))
            with _opener().open(asked, timeout=timeout_s) as answer:
                outcome.append(answer.read(ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with contextlib.suppress(OSError, http.client.HTTPException):
                said.append(error.read(_REASON_BYTES))
            outcome.append(error)
        except Exception as error:
            outcome.append(error)

    # The socket's own limit starts anew with every byte.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    if not outcome:
        raise RequestError(f"took longer than {timeout_s:g} s")
    [answer] = outcome
    if isinstance(answer, Exception):
        _explain(answer, b"".join(said))
    return answer


def _opener() -> urllib.request.OpenerDirector:
    """Know http, https and the environment's proxy, and neither ftp, files nor redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _explain(error: Exception, said: bytes) -> NoReturn:
    """Raise the error as ours."""
    if isinstance(error, urllib.error.HTTPError):
        target = error.headers.get("Location", "") if 300 <= error.code < 400 else ""
        if target:
            host = host_of(urljoin(error.url, target))
            words = f"answered {error.code}, a redirect to {host}, which is not followed"
            raise RequestError(words, error.code, host) from error
        raise RequestError(f"answered {error.code} {error.reason}", error.code, content=said) from error
    reason: object = getattr(error, "reason", error)
    if isinstance(reason, (TimeoutError, ConnectionError)) or (
        isinstance(reason, OSError) and reason.strerror
    ):
        raise RequestError(f"cannot be reached: {getattr(reason, 'strerror', None) or reason}") from error
    if isinstance(error, (OSError, http.client.HTTPException, ValueError)):
        # Its own words may hold the address: not all that is wrong with one is found before it is taken apart.
        raise RequestError(f"cannot be reached: {type(error).__name__}") from error
    raise error

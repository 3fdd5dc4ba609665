"""Tells an outside watcher that a round has begun and how it ended.

A machine that has died tells nobody; the watcher does, once no call comes any more.
"""

import logging

import nsynth
from pipeline import web
from pipeline.retrain.options import WatcherOptions

_log = logging.getLogger(__name__)


class Watcher:
    """Calls the addresses. One that cannot be reached never changes the round."""

    def __init__(self, options: WatcherOptions, timeout_s: float):
        self._options, self._timeout_s = options, timeout_s

    def begun(self) -> tuple[str, ...]:
        """Say that a round has begun; return what went wrong, if anything."""
        return self._call("start", self._options.start)

    def ended(self, well: bool) -> tuple[str, ...]:
        """Say how it ended; return what went wrong, if anything."""
        if well:
            return self._call("success", self._options.success)
        return self._call("fail", self._options.fail)

    def _call(self, which: str, address: str | None) -> tuple[str, ...]:
        if address is None:
            return ()
        try:
            web.request(address, self._timeout_s)
        except Exception as error:  # whatever it is: the round goes on
            words = str(error) if isinstance(error, nsynth.UserError) else type(error).__name__
            failure = f"retrain.watcher.{which} ({web.host_of(address)}): {words}"
            _log.warning("%s", failure)
            return (failure,)
        return ()

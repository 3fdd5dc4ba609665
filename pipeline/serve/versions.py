"""Which version serves: watches the folder of models, loads the newest sound version beside the old one, swaps."""

import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import nsynth
from components.registry import Registry
from components.version import Version
from pipeline.errors import explain
from pipeline.serve.errors import ApiError
from pipeline.serve.servable import Servable

POLL_S = 1.0
RETRY_S = 60.0  # a version that could not be loaded is tried again after so many seconds
_STATES_KEPT = 50
_log = logging.getLogger(__name__)


class State(NamedTuple):
    """What has become of a version, in TensorFlow Serving's words."""

    state: str
    """LOADING, AVAILABLE or END."""
    error_code: str = "OK"
    error_message: str = ""


class Versions:
    """The versions of one model: at most one of them is available."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        tell: Callable[[str], None] = lambda line: None,
        load: Callable[[Version], Servable] = Servable,
    ):
        """Watch `registry`; `tell` is given a line for each swap and fault."""
        self.name = name
        self.serving: Servable | None = None
        self.states: dict[int, State] = {}
        self.loads = self.failures = 0
        self._registry, self._tell, self._load = registry, tell, load
        self._retry_at: dict[int, float] = {}
        self._folder_fault = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="versions", daemon=True)

    def start(self) -> None:
        """Look for the first time, then keep looking in the background."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Load the newest version that can be loaded, if it is not the one that serves."""
        try:
            found = self._registry.versions()
        except OSError as error:
            self._tell_fault(f"{self._registry.destination} cannot be read: {error.strerror or error}")
            return
        self._folder_fault = ""
        for version in reversed(found):
            if self.serving and version.number == self.serving.number:
                return
            if time.monotonic() >= self._retry_at.get(version.number, 0.0) and self._take(version):
                return

    def find(self, name: str, number: int | None = None) -> Servable:
        """Return the version of this number, by default the one that serves, of the model of this name.

        Raises:
            ApiError: it is not available.
        """
        serving = self.serving
        if serving and name == self.name and number in (None, serving.number):
            return serving
        asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
        raise ApiError(404, f"Servable not found for request: {asked}")

    def _take(self, version: Version) -> bool:
        """Load a version and let it serve; whether that went well."""
        self._note(version.number, State("LOADING"))
        try:
            loaded = self._load(version)
        except Exception as error:
            reason = str(error) if isinstance(error, nsynth.UserError) else explain(error)
            self.failures += 1
            self._note(version.number, State("END", "FAILED_PRECONDITION", reason))
            self._retry_at[version.number] = time.monotonic() + RETRY_S
            self._tell(f"not served: {reason}")
            return False
        before, self.serving = self.serving, loaded
        self.loads += 1
        self._retry_at.pop(version.number, None)
        self._note(version.number, State("AVAILABLE"))
        if before:
            self._note(before.number, State("END"))
        self._tell(f"version {version.number} serves now")
        del before
        gc.collect()  # a graph refers to itself
        return True

    def _note(self, number: int, state: State) -> None:
        newest = sorted({**self.states, number: state}.items(), reverse=True)
        self.states = dict(newest[:_STATES_KEPT])

    def _tell_fault(self, words: str) -> None:
        """Tell a fault of the folder once, not every second."""
        if words != self._folder_fault:
            self._tell(words)
        self._folder_fault = words

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_S):
            try:
                self.look()
            except Exception as error:  # whatever it is, the version that serves goes on
                _log.exception("the folder of models cannot be watched")
                self._tell_fault(f"{self._registry.destination} cannot be watched: {explain(error)}")

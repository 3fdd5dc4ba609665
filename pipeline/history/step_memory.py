"""How much memory each step needed, kept in the history beside its times."""

import contextlib
import logging
import threading
from collections.abc import Iterator

import psutil
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.history.past_runs import NODE_CONTEXT, RUN_CONTEXT, run_names
from pipeline.step_log import StepFollower

PEAK_MEMORY = "peak_memory_mb"
"""Custom property of an execution: largest resident memory of the runner and its child processes together."""
_EVERY_S = 0.25

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def record_memory(connection: mlmd.ConnectionConfig) -> Iterator[None]:
    """While TFX's local runner works in this process, writes each step's peak into its execution.

    All steps share the process, so that a step's figure holds what earlier ones left loaded.
    """
    watch = _Watch(connection)
    with watch.attached():
        try:
            yield
        finally:
            watch.on_finish()


class _Watch(StepFollower):
    def __init__(self, connection: mlmd.ConnectionConfig):
        super().__init__()
        self._connection = connection
        self._sampler: _Sampler | None = None

    def on_start(self) -> None:
        """Begin to measure."""
        self._sampler = _Sampler()
        self._sampler.start()

    def on_finish(self) -> None:
        """Write down the figure of the step that ran until now, if there is one."""
        if self._sampler is None:
            return
        peak, self._sampler = self._sampler.stop(), None
        try:
            _write(self._connection, self.step, peak)
        except Exception as error:  # a figure for the report must not end a run
            _log.warning("the memory of %s could not be written down: %s", self.step, error)


class _Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._process, self._stopped, self._peak = psutil.Process(), threading.Event(), 0

    def run(self) -> None:
        """Look again and again until stopped."""
        while True:
            self._peak = max(self._peak, _resident_bytes(self._process))
            if self._stopped.wait(_EVERY_S):
                return

    def stop(self) -> int:
        """End the thread; return the largest sum seen, in bytes."""
        self._stopped.set()
        self.join()
        return self._peak


def _resident_bytes(process: psutil.Process) -> int:
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += child.memory_info().rss
    return total


def _write(connection: mlmd.ConnectionConfig, step: str, peak_bytes: int) -> None:
    store = MetadataStore(connection)
    run = store.get_context_by_type_and_name(RUN_CONTEXT, run_names(store)[0])
    for execution in store.get_executions_by_context(run.id):
        nodes = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == NODE_CONTEXT]
        # A cached execution took nothing.
        if nodes[0].rpartition(".")[2] == step and execution.last_known_state != mlmd.Execution.CACHED:
            execution.custom_properties[PEAK_MEMORY].int_value = round(peak_bytes / 1e6)
            store.put_executions([execution])

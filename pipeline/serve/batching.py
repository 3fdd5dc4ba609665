"""Answers concurrent requests together: whatever waits while a call runs shares the next one."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from pipeline.serve.servable import Servable

Arrays = dict[str, np.ndarray]
MAX_ROWS = 64


@dataclass(eq=False)
class _Waiting:
    """A request that has not been answered."""

    servable: Servable
    signature: str
    inputs: Arrays
    future: "Future[Arrays]" = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return max((len(array) if array.ndim else 1 for array in self.inputs.values()), default=1)

    def goes_with(self, other: "_Waiting") -> bool:
        """Return whether both may share a call."""
        same = self.servable is other.servable and self.signature == other.signature
        return same and all(
            array.shape[1:] == other.inputs[key].shape[1:] for key, array in self.inputs.items()
        )


class Batcher:
    """One thread that asks the model. Nothing waits for a batch to fill: a single request is answered at once."""

    def __init__(self, on_batch: Callable[[int], None] = lambda rows: None):
        """`on_batch` is told the rows of each call."""
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, servable: Servable, signature: str, inputs: Arrays) -> "Future[Arrays]":
        """Ask a signature of a model; the future has its outputs, or the ApiError that it is refused with."""
        request = _Waiting(servable, signature, inputs)
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.append(request)
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            batch = [request for request in batch if request.future.set_running_or_notify_cancel()]
            if batch:
                self._answer(batch)
            del batch  # or an idle server would keep the model that it swapped out

    def _next(self) -> list[_Waiting]:
        """Return the oldest request and those that go with it; none once all is done and the batcher closed."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            first = self._waiting.popleft()
            batch, rows, others = [first], first.rows, deque[_Waiting]()
            if first.servable.signature(first.signature).batches:
                for request in self._waiting:
                    if rows + request.rows <= MAX_ROWS and request.goes_with(first):
                        batch.append(request)
                        rows += request.rows
                    else:
                        others.append(request)
                self._waiting = others
            return batch

    def _answer(self, batch: list[_Waiting]) -> None:
        first, rows = batch[0], sum(request.rows for request in batch)
        try:
            inputs = first.inputs
            if len(batch) > 1:
                inputs = {name: np.concatenate([r.inputs[name] for r in batch]) for name in inputs}
            self._on_batch(rows)
            outputs = first.servable.run(first.signature, inputs)
            if len(batch) > 1 and any(len(array) != rows for array in outputs.values()):
                raise ValueError("an output has not a row for each of the inputs")
        except Exception as error:
            if len(batch) == 1:
                first.future.set_exception(error)
            for request in batch if len(batch) > 1 else ():  # the fault of one is not that of the others
                self._answer([request])
            return
        if len(batch) == 1:
            first.future.set_result(outputs)
            return
        start = 0
        for request in batch:
            end = start + request.rows
            request.future.set_result({name: array[start:end] for name, array in outputs.items()})
            start = end

"""Counters and histograms in the text format of Prometheus."""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """How often a value fell below each bound."""

    def __init__(self, bounds: Iterable[float]):
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str = "") -> Iterable[str]:
        """Its samples."""
        total, comma = 0, "," if labels else ""
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {total}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self.sum:.6f}"
        yield f"{name}_count{braces} {total}"


class Metrics:
    """What the server has done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._latency: dict[str, Histogram] = defaultdict(lambda: Histogram(LATENCY_S))
        self._batches = Histogram(BATCH_ROWS)

    def request(self, method: str, status: int, seconds: float) -> None:
        """Count a request that has been answered."""
        with self._lock:
            self._requests[method, status] += 1
            self._latency[method].add(seconds)

    def batch(self, rows: int) -> None:
        """Count a call of the model."""
        with self._lock:
            self._batches.add(rows)

    def render(self, in_flight: int, version: int, loads: int, failures: int) -> str:
        """Return all of them.

        Args:
            in_flight: requests that are being answered.
            version: that serves, 0 if there is none.
            loads: versions loaded so far.
            failures: versions that could not be loaded.
        """
        with self._lock:
            lines = _head("nsynth_requests_total", "counter", "Requests answered, by method and HTTP status.")
            for (method, status), count in sorted(self._requests.items()):
                lines.append(f'nsynth_requests_total{{method="{method}",code="{status}"}} {count}')
            lines += _head("nsynth_request_seconds", "histogram", "Time to answer a request, in seconds.")
            for method, histogram in sorted(self._latency.items()):
                lines += histogram.lines("nsynth_request_seconds", f'method="{method}"')
            lines += _head("nsynth_batch_rows", "histogram", "Notes of a call of the model.")
            lines += self._batches.lines("nsynth_batch_rows")
        for name, kind, words, value in (
            ("nsynth_requests_in_flight", "gauge", "Requests that are being answered.", in_flight),
            ("nsynth_model_version", "gauge", "The version that serves; 0 if there is none.", version),
            ("nsynth_model_loads_total", "counter", "Versions loaded.", loads),
            ("nsynth_model_load_failures_total", "counter", "Versions that could not be loaded.", failures),
        ):
            lines += [*_head(name, kind, words), f"{name} {value}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]

"""Options of the canary. Imports nothing heavy."""

import pydantic


class LatencyLimit(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Latency limits of a call."""

    p50_ms: float = pydantic.Field(gt=0)
    """Limit of the median, in milliseconds."""
    p95_ms: float = pydantic.Field(gt=0)
    """Limit of the 95th percentile, in milliseconds."""
    calls: int = pydantic.Field(ge=3)
    """Number of timed calls, after one warm-up call."""


class CanaryOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Thresholds for the exported model in a separate process, as in a server."""

    notes: int = pydantic.Field(default=64, ge=1)
    """Number of real notes sent to every signature; at most those of ingest's output `sample`."""
    max_difference: float = pydantic.Field(default=1e-3, gt=0)
    """Largest allowed difference of a probability from the gate's predictions."""
    latency: dict[int, LatencyLimit] = {
        1: LatencyLimit(p50_ms=250, p95_ms=500, calls=20),
        32: LatencyLimit(p50_ms=4000, p95_ms=8000, calls=8),
    }
    """Batch size → latency limits. Generous by default, because training machines are often busier than servers."""
    max_memory_mb: float = pydantic.Field(default=3000, gt=0)
    """Limit of the peak resident memory of the process, including TensorFlow, in MB."""
    timeout_s: float = pydantic.Field(default=300, gt=0)
    """Time limit of the process, in seconds; a model that exceeds it is not blessed."""

"""What a user may ask of a model as a served thing. Imports nothing heavy."""

import pydantic


class LatencyBar(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How fast a call has to be."""

    p50_ms: float = pydantic.Field(gt=0)
    """Bar for the median, in milliseconds."""
    p95_ms: float = pydantic.Field(gt=0)
    """Bar for the 95th percentile, in milliseconds."""
    calls: int = pydantic.Field(ge=3)
    """How many are timed, after one that is not."""


class CanaryOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Bars for the exported model in a process of its own, as a server would run it."""

    notes: int = pydantic.Field(default=64, ge=1)
    """Real notes that are sent through every signature."""
    max_difference: float = pydantic.Field(default=1e-3, gt=0)
    """Largest difference of a probability to the one that the gate judged."""
    latency: dict[int, LatencyBar] = {
        1: LatencyBar(p50_ms=250, p95_ms=500, calls=20),
        32: LatencyBar(p50_ms=4000, p95_ms=8000, calls=8),
    }
    """Batch size -> bars. Generous: the machine that trains is often busier than the one that serves."""
    max_memory_mb: float = pydantic.Field(default=3000, gt=0)
    """Bar for the peak resident memory of the process, TensorFlow included."""
    timeout_s: float = pydantic.Field(default=300, gt=0)
    """After this long the process is ended and the model not blessed."""

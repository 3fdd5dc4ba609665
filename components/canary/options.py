"""What a user may ask of a model as a served thing. Imports nothing heavy."""

import pydantic


class CanaryOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Bars for the exported model in a process of its own, as a server would run it."""

    notes: int = pydantic.Field(64, ge=32)
    """Real notes that are sent through every signature."""
    repeats: int = pydantic.Field(20, ge=5)
    """Timed calls per batch size, after one that is not timed."""
    max_difference: float = pydantic.Field(1e-4, gt=0)
    """Largest difference of a probability to the one that the gate judged."""
    max_p50_ms: dict[int, float] = {1: 250.0, 32: 4000.0}
    """Batch size -> bar for the median latency in milliseconds."""
    max_p95_ms: dict[int, float] = {1: 500.0, 32: 8000.0}
    """Batch size -> bar for the 95th percentile in milliseconds."""
    max_memory_mb: float = pydantic.Field(3000.0, gt=0)
    """Bar for the peak resident memory of the process, TensorFlow included."""
    timeout_s: float = pydantic.Field(300.0, gt=0)
    """After this long the process is ended and the model not blessed."""

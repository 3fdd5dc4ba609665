"""Names of the pipeline's steps: the kind of a step and its span. `ExampleGen-000007` reads span 7."""

_OTHERWISE = {
    "HeldOut": "ExampleGen",
    "BulkNotes": "ExampleGen",
    "Serving": "Champion",
    "WarmStart": "Champion",
    "PredictorNewest": "Predictor",
    "GateNewest": "Gate",
}
"""Steps whose name is not their kind."""


def of_span(kind: str, span: int) -> str:
    """Return the name of a step for one span."""
    return f"{kind}-{span:06d}"


def span_of(step: str) -> int | None:
    """Return the span of a step; None if it has no span, or several."""
    _, dash, number = step.rpartition("-")
    return int(number) if dash and number.isdecimal() else None


def without_span(step: str) -> str:
    """Return the name without its span: `ExampleGen` for `ExampleGen-000007`."""
    return step.rpartition("-")[0] if span_of(step) is not None else step


def kind_of(step: str) -> str:
    """Return the kind of a step: `ExampleGen` for `ExampleGen-000007` and for `HeldOut`."""
    name = without_span(step)
    return _OTHERWISE.get(name, name)

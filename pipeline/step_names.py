"""Names of the pipeline's steps: what a step is, and which span it looks at. `ExampleGen-000007` reads span 7."""

_OTHERWISE = {
    "HeldOut": "ExampleGen",
    "BulkNotes": "ExampleGen",
    "Serving": "Champion",
    "WarmStart": "Champion",
    "PredictorNewest": "Predictor",
    "GateNewest": "Gate",
}
"""Steps that are not named for what they are."""


def of_span(kind: str, span: int) -> str:
    """Return the name of a step that looks at one span."""
    return f"{kind}-{span:06d}"


def span_of(step: str) -> int | None:
    """Return the span that a step looks at; none if it looks at no span, or at several."""
    _, dash, number = step.rpartition("-")
    return int(number) if dash and number.isdecimal() else None


def without_span(step: str) -> str:
    """Return the name without its span: `ExampleGen` for `ExampleGen-000007`."""
    return step.rpartition("-")[0] if span_of(step) is not None else step


def kind_of(step: str) -> str:
    """Return what the step is: `ExampleGen` for `ExampleGen-000007` and for `HeldOut`."""
    name = without_span(step)
    return _OTHERWISE.get(name, name)

"""What a user may ask of a model before it is pushed. Imports nothing heavy."""

from typing import Annotated, Literal

import pydantic

import nsynth

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
NAMES = {category.word: category.names for category in (nsynth.LABEL, *nsynth.CATEGORIES)}
SLICE_KINDS = (*NAMES, *(number.word for number in nsynth.NUMBERS))


class GateOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Bars that a candidate has to clear, and how sure we want to be."""

    min_accuracy: Share = 0.4
    """Bar for the accuracy over all notes; the lower end of its interval has to reach it."""
    min_macro_recall: Share = 0.3
    """Bar for the mean of the families' recalls, so that large families cannot hide small ones."""
    max_calibration_error: Share | None = None
    """Bar for the expected calibration error; none means that it is only reported."""
    min_slice_accuracy: Share = 0.05
    """Bar for every slice that is large enough to mean something."""
    slice_bars: dict[str, Share] = {}
    """Bars for named slices, such as `family=bass`, `source=acoustic`, `pitch=36-47`, `velocity=127`."""

    policy: Literal["better", "not_worse"] = "better"
    """Against the champion on the same notes: surely better (the stricter), or surely not worse than `margin`."""
    margin: Share = 0.02
    """How much accuracy a candidate may lose under `not_worse`."""
    max_slice_loss: Share = 0.1
    """A slice has fallen if it loses more than this to the champion and the loss is beyond chance."""
    confidence: float = pydantic.Field(0.95, ge=0.5, lt=1)
    """Of the intervals (two-sided) and of the comparison with the champion (one-sided)."""

    min_notes: int = pydantic.Field(20, ge=1)
    """A slice with fewer notes says nothing."""
    min_instruments: int = pydantic.Field(2, ge=2)
    """Nor does a slice with fewer instruments: the notes of one instrument stand and fall together."""
    edges: dict[str, tuple[int, ...]] = {
        number.word: number.edges for number in nsynth.NUMBERS if number.edges
    }
    """Number, such as `pitch` → values at which the bands of its slices begin; the last one ends the last band."""

    resamples: int = pydantic.Field(2000, ge=200, le=100_000)
    """Bootstrap resamples."""
    seed: int = 0
    calibration_bins: int = pydantic.Field(15, ge=2)

    @pydantic.field_validator("slice_bars")
    @classmethod
    def _slice_names(cls, bars: dict[str, float]) -> dict[str, float]:
        for name in bars:
            kind, equals, value = name.partition("=")
            if not equals or kind not in SLICE_KINDS or not value:
                raise ValueError(
                    f"{name} is no slice: write one of {', '.join(SLICE_KINDS)}, '=' and a value"
                )
            if kind in NAMES and value not in NAMES[kind]:
                raise ValueError(f"{value} is no {kind} (allowed: {', '.join(NAMES[kind])})")
        return bars

    @pydantic.field_validator("edges")
    @classmethod
    def _ascending(cls, edges: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        numbers = [number.word for number in nsynth.NUMBERS]
        for word, values in edges.items():
            if word not in numbers:
                raise ValueError(f"{word} is no number of the dataset (allowed: {', '.join(numbers)})")
            if len(values) < 2 or list(values) != sorted(set(values)):
                raise ValueError(f"{word}: give at least two values in ascending order")
        return edges

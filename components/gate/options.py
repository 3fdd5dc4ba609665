"""Options of the gate. Imports nothing heavy."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

import nsynth

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
NAMES = {category.word: category.names for category in (nsynth.LABEL, *nsynth.CATEGORIES)}
SLICE_KINDS = (*NAMES, *(number.word for number in nsynth.NUMBERS))


class GateOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Thresholds for the candidate, and the confidence level of the intervals."""

    min_accuracy: Share = 0.4
    """Threshold for the lower bound of the accuracy over all notes."""
    min_macro_recall: Share = 0.3
    """Threshold for the lower bound of macro recall, in which small families count as much as large ones."""
    max_calibration_error: Share | None = None
    """Threshold for the expected calibration error. None: it is only reported."""
    min_slice_accuracy: Share = 0.05
    """Threshold for the accuracy of every slice that is large enough."""
    slice_thresholds: dict[str, Share] = {}
    """Accuracy thresholds of named slices, such as `family=bass`, `source=acoustic`, `pitch=36-47`, `velocity=127`."""

    policy: Literal["better", "not_worse"] = "better"
    """Improvement over the champion, lower bound: > 0 (`better`) or ≥ -`margin` (`not_worse`), on the same notes."""
    margin: Share = 0.02
    """How much accuracy a candidate may lose under `not_worse`."""
    max_slice_loss: Share = 0.1
    """A slice has regressed if its accuracy is significantly lower than the champion's, and by more than this."""
    confidence: float = pydantic.Field(0.95, ge=0.5, lt=1)
    """Confidence level of the intervals (two-sided) and of the comparison with the champion (one-sided)."""

    min_notes: int = pydantic.Field(20, ge=1)
    """Slices with fewer notes are not checked."""
    min_instruments: int = pydantic.Field(2, ge=2)
    """Slices with fewer instruments are not checked: errors on notes of one instrument are correlated."""
    edges: dict[str, tuple[int, ...]] = {
        number.word: number.edges for number in nsynth.NUMBERS if number.edges
    }
    """Number, such as `pitch` → edges of the bands that form its slices, the end of the last band included."""

    resamples: int = pydantic.Field(2000, ge=200, le=100_000)
    """Number of bootstrap resamples."""
    seed: int = 0
    """Seed of the bootstrap."""
    calibration_bins: int = pydantic.Field(15, ge=2)
    """Number of bins of the calibration error."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _earlier_name(cls, given: Any) -> Any:
        """Read `slice_bars`, as earlier versions called `slice_thresholds`."""
        if isinstance(given, Mapping) and "slice_bars" in given:
            given = {
                "slice_thresholds" if key == "slice_bars" else key: value for key, value in given.items()
            }
        return given

    @pydantic.field_validator("slice_thresholds")
    @classmethod
    def _slice_names(cls, thresholds: dict[str, float]) -> dict[str, float]:
        for name in thresholds:
            kind, equals, value = name.partition("=")
            if not equals or kind not in SLICE_KINDS or not value:
                raise ValueError(
                    f"{name} is not a slice: write one of {', '.join(SLICE_KINDS)}, '=' and a value"
                )
            if kind in NAMES and value not in NAMES[kind]:
                raise ValueError(f"{value} is not a {kind} (allowed: {', '.join(NAMES[kind])})")
        return thresholds

    @pydantic.field_validator("edges")
    @classmethod
    def _ascending(cls, edges: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        numbers = [number.word for number in nsynth.NUMBERS]
        for word, values in edges.items():
            if word not in numbers:
                raise ValueError(f"{word} is not a number of the dataset (allowed: {', '.join(numbers)})")
            if len(values) < 2 or list(values) != sorted(set(values)):
                raise ValueError(f"{word}: give at least two values in ascending order")
        return edges

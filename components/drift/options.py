"""What a user may set of Drift. Imports nothing heavy."""

import pydantic
from pydantic import Field


class DriftOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """The new span in the eyes of the champion; the bars on the sounds are those of data_gate.drift."""

    max_prediction_drift: float = Field(default=0.2, ge=0, le=1)
    """Above this Jensen-Shannon divergence of the champion's mean answers from one span to the next, it warns."""
    min_agreement: float = Field(default=0.6, ge=0, le=1)
    """The champion has to agree with the labels this often, as a share of what it did on the span before; below
    it the span is refused as mislabelled."""

"""Options of Drift. Imports nothing heavy."""

import pydantic
from pydantic import Field


class DriftOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Thresholds for the champion's predictions on the new span. Those for features are data_gate.drift."""

    max_prediction_drift: float = Field(default=0.2, ge=0, le=1)
    """Threshold for prediction drift: the Jensen-Shannon divergence of the champion's mean predictions on two
    consecutive spans. Above it, Drift warns."""
    min_agreement: float = Field(default=0.6, ge=0, le=1)
    """Threshold for the label agreement of the champion, relative to the previous span. Below it, the span is refused
    as mislabelled."""

"""Options of DataGate. Imports nothing heavy."""

from typing import Literal

import pydantic
from pydantic import Field

import nsynth

Action = Literal["stop", "warn"]


class Limit(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A threshold and the action above it: stop the run, or warn."""

    limit: float = Field(ge=0)
    action: Action = "stop"


class DataGateOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Thresholds for the data. Shares and distances range from 0 to 1.

    Drift is the distance of the train split from the last accepted data: Jensen-Shannon divergence for numbers,
    L-infinity distance of the shares for names.
    """

    anomalies: Limit = Limit(limit=0)
    """Number of anomalies against the schema."""
    quarantined_share: Limit = Limit(limit=0.01)
    """Share of quarantined notes."""
    largest_family_share: Limit = Limit(limit=0.5)
    """Share of the most frequent class in the train split."""
    families_missing: Limit = Limit(limit=0, action="warn")
    """Number of classes without a note in the train split."""
    drift: dict[str, Limit] = {
        feature: Limit(limit=limit, action=action) for feature, (limit, action) in nsynth.DRIFT.items()
    }
    """Feature → threshold for its distance from the last accepted data."""

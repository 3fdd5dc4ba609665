"""What the data gate asks of the notes before anything is trained on them."""

from typing import Literal

import pydantic
from pydantic import Field

import nsynth

Action = Literal["stop", "warn"]


class Bar(pydantic.BaseModel, frozen=True, extra="forbid"):
    """An upper limit, and what happens above it: the run stops, or the verdict warns."""

    limit: float = Field(ge=0)
    action: Action = "stop"


class DataGateOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A bar for each thing that is measured. Shares and distances lie between 0 and 1.

    Drift is measured on the train split against the data accepted last: Jensen-Shannon divergence for numbers,
    L-infinity distance of the shares for names.
    """

    anomalies: Bar = Bar(limit=0)
    """Number of anomalies against the schema."""
    quarantined_share: Bar = Bar(limit=0.01)
    """Share of the notes that ingest had to set aside."""
    largest_family_share: Bar = Bar(limit=0.5)
    """Share of the most frequent class in the train split."""
    families_missing: Bar = Bar(limit=0, action="warn")
    """How many classes have no note in the train split."""
    drift: dict[str, Bar] = {
        feature: Bar(limit=limit, action=action) for feature, (limit, action) in nsynth.DRIFT.items()
    }
    """Feature → bar on its distance from the last accepted data."""

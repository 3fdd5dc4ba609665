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
    """Share of the most frequent family in the train split."""
    families_missing: Bar = Bar(limit=0, action="warn")
    """How many of the 11 families have no note in the train split."""
    drift: dict[str, Bar] = {
        nsynth.FAMILY_STR: Bar(limit=0.15),
        nsynth.SOURCE_STR: Bar(limit=0.2, action="warn"),
        nsynth.PITCH: Bar(limit=0.2, action="warn"),
        nsynth.VELOCITY: Bar(limit=0.3, action="warn"),
        nsynth.RMS_DBFS: Bar(limit=0.3),
        nsynth.PEAK_DBFS: Bar(limit=0.5, action="warn"),
        nsynth.CENTROID_HZ: Bar(limit=0.3),
        nsynth.ACTIVE_S: Bar(limit=0.3, action="warn"),
    }
    """Feature → bar on its distance from the last accepted data."""

"""Options of ingest. Imports only pydantic."""

from pydantic import BaseModel, Field, model_validator


class IngestOptions(BaseModel, frozen=True, extra="forbid"):
    """Reading, checking and splitting the notes."""

    seed: int = Field(default=17, ge=0)
    """Seed of the global shuffle: the same data and seed give the same bytes."""

    max_quarantine_fraction: float = Field(default=0.01, ge=0, le=1)
    """The run stops if a larger fraction of the notes is quarantined or lost because of damage."""

    shard_megabytes: int = Field(default=256, gt=0)
    """Target size of an output shard, in MB; one worker writes one shard at a time."""

    min_shards: int = Field(default=4, gt=0)
    """Minimum number of shards of a split, so that every core has work even if the data is small."""

    dev_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the train instruments that becomes `dev`, for epoch selection and early stopping."""

    valid_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the train instruments that becomes `valid` if the data has no valid split."""

    test_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the train instruments that becomes `test` if the data has no test split."""

    cache_dir: str = ""
    """Folder for offset indexes and, during a run, unpacked archives. Empty: `.cache` beside the step's outputs."""

    @property
    def fractions(self) -> dict[str, float]:
        """Return the settings that, with the data, determine the split of an instrument."""
        return {name: getattr(self, name) for name in ("dev_fraction", "valid_fraction", "test_fraction")}

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "IngestOptions":
        carved = self.dev_fraction + self.valid_fraction + self.test_fraction
        if carved >= 1:
            raise ValueError(
                f"dev, valid and test fractions add up to {carved:g}: nothing is left to train on"
            )
        return self

"""What a user may set of ingest. Imports only pydantic and the dataset's contract."""

from pydantic import BaseModel, Field, model_validator


class IngestOptions(BaseModel, frozen=True, extra="forbid"):
    """Options of the ExampleGen; handed to it as JSON."""

    seed: int = Field(default=17, ge=0)
    """Of the global shuffle: the same data and seed give the same bytes."""

    max_quarantine_fraction: float = Field(default=0.01, ge=0, le=1)
    """The run stops when more than this fraction of the notes had to be quarantined or was lost to damage."""

    shard_megabytes: int = Field(default=256, gt=0)
    """Aimed size of an output shard in MB; one worker writes one shard at a time."""

    min_shards: int = Field(default=4, gt=0)
    """Shards per split even where the data is small, so that every core has work."""

    dev_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the train instruments held out for early stopping."""

    valid_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the train instruments that becomes `valid` where the data has no valid split of its own."""

    test_fraction: float = Field(default=0.1, ge=0, lt=1)
    """The same for `test`."""

    cache_dir: str = ""
    """Keeps offset indexes, and unpacked archives during a run; empty means beside the component's outputs."""

    @property
    def fractions(self) -> dict[str, float]:
        """What decides which split an instrument is dealt into, beside the data."""
        return {name: getattr(self, name) for name in ("dev_fraction", "valid_fraction", "test_fraction")}

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "IngestOptions":
        carved = self.dev_fraction + self.valid_fraction + self.test_fraction
        if carved >= 1:
            raise ValueError(
                f"dev, valid and test fractions add up to {carved:g}: nothing is left to train on"
            )
        return self

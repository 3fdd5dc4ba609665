"""The artifact that DataGate writes."""

from tfx.types import artifact


class DataVerdict(artifact.Artifact):
    """`verdict.json` and `verdict.md`; custom property `accepted` is 1 or 0."""

    TYPE_NAME = "DataVerdict"

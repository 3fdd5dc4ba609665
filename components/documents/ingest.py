"""What ingest read, used and set aside."""

from typing import Any, ClassVar

import pydantic

import nsynth
from components.documents.document import Document, Part


class SourceFile(Part):
    """A file that notes came from."""

    path: str
    form: str = ""
    split: str | None = None
    notes: int = 0


TABLES = {"families": nsynth.LABEL, **{category.plural: category for category in nsynth.CATEGORIES}}
"""Key in an account → the category that is counted there. The label's is called families whatever it is."""


class Counted(Part):
    """A table for each category of the dataset, under the keys of TABLES: name → notes."""

    model_config = pydantic.ConfigDict(extra="allow")

    families: dict[str, int] = {}

    def table(self, key: str) -> dict[str, int]:
        """Return the table under `key`; empty where there is none."""
        return getattr(self, key, {})


class SplitTable(Counted):
    """What was written to one split."""

    notes: int = 0
    instruments: int = 0


class Quarantined(Part):
    """A record that was set aside."""

    file: str
    offset: int
    note_str: str = ""
    detail: str = ""


class ReasonRow(Part):
    """Why records were set aside, how many, and a few of them."""

    reason: str
    words: str
    notes: int
    examples: tuple[Quarantined, ...] = ()


class DamagedPlace(Part):
    """Bytes of a file that hold no readable record."""

    file: str
    offset: int
    bytes: int


class Remark(Part):
    """Something odd about notes that are used all the same."""

    warning: str = ""
    words: str
    count: int
    examples: tuple[Any, ...] = ()


class IngestAccount(Document, Counted):
    """The account of an ingest: what came in, what is used, what is not and why. docs/ingest.md explains the keys."""

    FILE = "summary.json"
    RECORDS_FILE: ClassVar[str] = "records.jsonl"
    """A line for each record that is not used."""

    ORIGIN_FILE: ClassVar[str] = "origin.txt"
    """Beside the notes, if the data's maker wrote one: its first line says what the notes are."""

    origin: str = ""
    """The first line of ORIGIN_FILE."""
    notes_in: int = pydantic.Field(0, alias="in")
    used: int = 0
    quarantined: int = 0
    lost_to_damage_estimate: int = 0
    quarantined_fraction: float = 0.0
    max_quarantine_fraction: float = 0.0
    files: tuple[SourceFile, ...] = ()
    splits: dict[str, SplitTable] = {}
    instruments: dict[str, tuple[str, ...]] = {}
    """Split → names of its groups."""
    features: dict[str, int] = {}
    """Feature → how many of the used notes have it."""
    quarantined_by_split: dict[str, int] = {}
    quarantined_by_family: dict[str, int] = {}
    reasons: tuple[ReasonRow, ...] = ()
    damage: tuple[DamagedPlace, ...] = ()
    damaged_bytes: int = 0
    leaks: dict[str, tuple[str, ...]] = {}
    """Instrument on both sides of the wall → its splits."""
    warnings: tuple[Remark, ...] = ()

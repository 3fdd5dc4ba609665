"""What steps write down for people and for later steps: one model for each JSON file in an artifact.

Every file is written and read through its model, so that its name and keys stand here alone. A key that is not known
is passed over and one that is missing takes its default, so that files of other versions of this code can be read.
The record beside a pushed model is in components/version.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pydantic

import nsynth
from components import storage


class Part(pydantic.BaseModel):
    """A part of a document."""

    model_config = pydantic.ConfigDict(
        frozen=True, validate_by_name=True, validate_by_alias=True, ser_json_inf_nan="constants"
    )


class Document(Part):
    """A JSON file in the folder of an artifact."""

    FILE: ClassVar[str]
    TEXT_FILE: ClassVar[str] = ""
    """The same in words, where there is such a file."""

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the file in `folder`.

        Raises:
          FileNotFoundError: it is not there.
          nsynth.UserError: it is damaged.
        """
        path = f"{folder}/{cls.FILE}"
        try:
            return cls.model_validate_json(storage.read_bytes(path))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise nsynth.UserError(
                f"{path} is damaged: {where}: {first['msg']}. Run the step again, or remove the artifact."
            ) from error

    def write(self, folder: str | Path, text: str = "") -> None:
        """Write the file into `folder`, and `text` beside it."""
        storage.write_bytes(f"{folder}/{self.FILE}", self.to_json())
        if text:
            storage.write_bytes(f"{folder}/{self.TEXT_FILE}", text.encode())

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return self.model_dump_json(indent=1, by_alias=True).encode()


class Figure(Part):
    """A measured value with its confidence interval."""

    value: float
    low: float
    high: float


# What ingest has read.


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


# What is asked of the data.


@dataclass(frozen=True)
class DataCheck:
    """One thing asked of the data: what was measured, what is allowed, and what follows."""

    name: str
    measured: float
    limit: float
    outcome: Literal["ok", "warn", "stop"]
    words: str


class Verdict(Document):
    """Whether data may be trained on, and why."""

    FILE = "verdict.json"
    TEXT_FILE = "verdict.md"

    accepted: bool
    span: int = 0
    """0: a folder that is no span."""
    checks: tuple[DataCheck, ...] = ()

    def stops(self) -> list[DataCheck]:
        """Return the checks that refuse the data."""
        return [check for check in self.checks if check.outcome == "stop"]

    def enforce(self, limits: str) -> None:
        """Fail the step that writes this verdict if the data is refused.

        Args:
          limits: the configuration key of its limits, for the message.

        Raises:
          RefusedDataError: what was measured, and where the limits are set; with the verdict.
        """
        if self.accepted:
            return
        lines = [
            f"  {c.name}: {c.words} (measured {c.measured:.3g}, limit {c.limit:g})" for c in self.stops()
        ]
        message = (
            "the data was refused:\n"
            + "\n".join(lines)
            + f"\nFix the data, or change the limit in the configuration: {limits}"
        )
        raise nsynth.RefusedDataError(message, verdict=self.to_json().decode())


class DataGateVerdict(Verdict):
    """What DataGate says."""

    compared_with_span: int | None = None
    """The data that drift was measured against; none if these were the first."""
    family_shares: dict[str, float] = {}


class AnswerSummary(Part):
    """What the champion answers to the notes of a span."""

    agreement: float
    confidence: float
    mean: tuple[float, ...]
    """Mean probability of each family."""


class DriftVerdict(Verdict):
    """What Drift says."""

    champion: int = 0
    """Version that was asked; 0 if none was serving."""
    distances: dict[int, dict[str, float]] = {}
    """Span → feature → distance of the new span from it."""
    answers: dict[str, AnswerSummary] = {}
    """`new` and `before`: the answers to the new span and to the one before; empty if there is no champion."""


# What is asked of a model.


@dataclass(frozen=True)
class Check:
    """One thing that was asked of a model."""

    name: str
    asked: str
    measured: str
    passed: bool


@dataclass(frozen=True)
class GateCheck(Check):
    """One thing that the gate asked."""

    advice: str = ""
    """What to do if it did not pass."""
    by: str = ""
    """By how much it passed (+) or failed (-), where that is a number."""


class CalibrationBin(Part):
    """Notes whose top probability lies between `low` and `high`."""

    low: float
    high: float
    notes: int
    confidence: float
    accuracy: float


class Calibration(Part):
    """Expected calibration error, and the bins that it is computed from."""

    error: float
    bins: tuple[CalibrationBin, ...] = ()


class FamilyRow(Part):
    """How well one family is recognized; none where there is nothing to divide."""

    family: str
    notes: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float | None


class Slice(Part):
    """One part of the notes, such as `family=bass`."""

    name: str
    notes: int
    instruments: int
    judged: bool
    """Whether it is large enough to mean something."""
    accuracy: Figure
    champion: Figure | None = None
    difference: Figure | None = None
    fallen: bool = False


class ModelArtifact(Part):
    """A model in the metadata store."""

    uri: str = ""
    id: int = 0


class CandidateArtifact(ModelArtifact):
    """The model that was judged."""

    digest: str = ""
    """Hash of its files as they were when it answered."""


class ChampionArtifact(ModelArtifact):
    """The model that a candidate was compared with."""

    version: int = 0
    """0 if nothing was serving."""
    digest: str = ""
    """Hash of its files as they were when it answered; empty if there was none."""


class AnsweringModels(Document):
    """Which models gave the predictions that lie beside it."""

    FILE = "models.json"

    notes: int
    candidate: CandidateArtifact
    champion: ChampionArtifact = ChampionArtifact()


class GateReport(Document):
    """Whether a candidate may be pushed, and why. docs/trust.md explains the keys."""

    FILE = "gate.json"
    TEXT_FILE = "gate.md"

    blessed: bool = False
    policy: str = ""
    margin: float = 0.0
    confidence: float
    notes: int
    instruments: int
    overall: dict[str, Figure]
    champion_overall: dict[str, Figure] | None = None
    difference: Figure | None = None
    """Accuracy of the candidate less the champion's, with one-sided bounds."""
    calibration: Calibration = Calibration(error=0.0)
    families: tuple[FamilyRow, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """True family (row) → predicted family (column) → notes."""
    slices: tuple[Slice, ...] = ()
    checks: tuple[GateCheck, ...] = ()
    split: str = ""
    candidate: CandidateArtifact = CandidateArtifact()
    champion: ChampionArtifact = ChampionArtifact()
    verdict: str = ""

    def failed(self) -> list[GateCheck]:
        """Return the checks that the candidate did not pass."""
        return [check for check in self.checks if not check.passed]


class EvaluatorReport(Document):
    """Whether TFMA agrees with the gate, and what its thresholds say."""

    FILE = "evaluator.json"

    checks: tuple[GateCheck, ...] = ()


class ServerAnswer(Part):
    """What became of the notes that were sent to a model server."""

    present: bool
    passed: bool
    detail: str


class CanaryReport(Document):
    """Whether an exported model is fit to serve, and why."""

    FILE = "canary.json"
    TEXT_FILE = "canary.md"

    blessed: bool
    verdict: str = ""
    checks: tuple[Check, ...] = ()
    measured: dict[str, Any] = {}
    """What the probe printed; docs/trust.md explains the keys."""
    server: ServerAnswer | None = None
    digest: str = ""
    """Hash of the model's files as they were tried."""

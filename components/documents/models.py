"""What Predictor, Gate, Evaluator and Canary say about a model. A pushed model's record is in components/version.py."""

from dataclasses import dataclass
from typing import Any

from components.documents.document import Document, Figure, Part


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


class CandidateArtifact(Part):
    """The model that was judged."""

    uri: str = ""
    id: int = 0
    """In the metadata store."""
    digest: str = ""
    """Hash of its files as they were when it answered."""


class ChampionArtifact(Part):
    """The model that a candidate was compared with. A copy, which has no id yet while its step runs."""

    uri: str = ""
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

"""What DataGate and Drift say about the data."""

from dataclasses import dataclass
from typing import Literal

import nsynth
from components.documents.document import Document, Part


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

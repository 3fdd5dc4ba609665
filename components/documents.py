"""The documents that steps leave in their artifacts."""

import dataclasses
from typing import Literal

VERDICT_JSON = "verdict.json"
VERDICT_MARKDOWN = "verdict.md"


@dataclasses.dataclass(frozen=True)
class DataCheck:
    """One thing asked of the data: what was measured, what is allowed, and what follows."""

    name: str
    measured: float
    limit: float
    outcome: Literal["ok", "warn", "stop"]
    words: str

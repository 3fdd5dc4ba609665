"""How the exported model behaved in a process of its own."""

from typing import Any

from pipeline.report.record import RunRecord


def build(record: RunRecord) -> dict[str, Any]:
    """Return the canary's checks and what it measured."""
    return {"report": record.canary_report()}

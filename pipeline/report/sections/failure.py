"""What a run that failed or was interrupted says: the step, the reason, the end of its log, its configuration."""

import json
from pathlib import Path
from typing import Any

from pipeline.errors import masked
from pipeline.report.outcome import or_none, outcome_of
from pipeline.report.record import RunRecord

LINES = 40  # of the log
_TAIL_BYTES = 64_000


def applies(record: RunRecord) -> bool:
    """Tell whether the run failed or was interrupted."""
    return outcome_of(record).kind in ("failed", "interrupted")


def build(record: RunRecord) -> dict[str, Any]:
    """Collect the reason, the last lines of the log and the configuration of the run."""
    outcome, stopped = outcome_of(record), record.stopped
    verdicts = (or_none(record.data_verdict), or_none(record.drift_verdict))
    settings = record.run.settings
    return {
        "words": outcome.words,
        "step": stopped.name if stopped else "",
        "checks": [check for verdict in verdicts if verdict for check in verdict.stops()],
        "log": record.run.log,
        "lines": log_tail(record),
        "settings": json.dumps(json.loads(settings), indent=2, ensure_ascii=False) if settings else "",
    }


def log_tail(record: RunRecord) -> str:
    """Read the last lines of the run's log, without passwords; empty if it is not known or gone."""
    if not record.run.log:
        return ""
    name = Path(record.run.log)
    for path in (name, record.config.workspace / "logs" / name.name):  # a workspace may have been moved
        try:
            with open(path, "rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            continue
        return masked("\n".join(lines[-LINES:]))
    return ""

"""Settings that differ between this run and the one that made the champion it was compared with."""

import json
from typing import Any

from components.registry import Registry
from pipeline.history import past_runs
from pipeline.report.record import Absent, RunRecord


def build(record: RunRecord) -> dict[str, Any]:
    """List the settings that differ, each with both values."""
    version = record.gate_report().champion.version
    if not version:
        raise Absent("There was no champion to compare with.")
    if not record.run.settings:
        raise Absent("The configuration of this run was not recorded.")
    run = next((v.record.run for v in Registry(record.config.models).versions() if v.number == version), "")
    store = past_runs.open_store(record.config.metadata)
    if run not in past_runs.run_names(store):
        raise Absent(f"The run that made version {version} is not in this workspace's history.")
    before = past_runs.load_run(store, run).settings
    if not before:
        raise Absent(f"The configuration of the run that made version {version} was not recorded.")
    rows = differences(json.loads(before), json.loads(record.run.settings))
    return {"version": version, "rows": rows, "files": {"changes.csv": rows} if rows else {}}


def differences(before: Any, now: Any, key: str = "") -> list[dict[str, str]]:
    """List `setting`, `champion` and `this run` of each setting that differs, by dotted names."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = dict.fromkeys([*before, *now])
        return [
            row
            for name in names
            for row in differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
        ]
    if before == now:
        return []
    return [{"setting": key, "champion": json.dumps(before), "this run": json.dumps(now)}]

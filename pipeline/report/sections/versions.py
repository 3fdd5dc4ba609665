"""Which code, packages and settings made the run."""

import importlib.metadata
import json
from typing import Any

from pipeline.history import lineage
from pipeline.history.step_memory import PEAK_MEMORY
from pipeline.report.record import RunRecord

PACKAGES = (
    "tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis", "apache-beam", "numpy",
)  # fmt: skip
_HIDDEN = (
    "input_fingerprint",
    "stats_options_json",
    PEAK_MEMORY,
)  # long, and shown elsewhere or always the same


def build(record: RunRecord) -> dict[str, Any]:
    """Return the fingerprints of the code by step, versions and settings."""
    return {
        "code": code(record),
        "recorded": sorted(recorded(record).items()),
        "installed": [(name, _installed(name)) for name in PACKAGES],
        "settings": settings(record),
    }


def code(record: RunRecord) -> list[dict[str, Any]]:
    """Return step, the fingerprint that it ran with, and whether the code is still the same."""
    steps = [step for step in record.run.steps.values() if lineage.code_of(step)]
    return [
        {"step": step.name, "code": lineage.code_of(step), "same": lineage.unchanged(step)} for step in steps
    ]


def recorded(record: RunRecord) -> dict[str, str]:
    """Return the versions that the run's artifacts name."""
    found = {
        str(output.properties["tfx_version"])
        for step in record.run.steps.values()
        for outputs in step.outputs.values()
        for output in outputs
        if output.properties.get("tfx_version")
    }
    return {"tfx": ", ".join(sorted(found))} if found else {}


def settings(record: RunRecord) -> list[tuple[str, str]]:
    """Name and content as indented JSON: the configuration of the run, then the settings of each step."""
    rows = []
    if record.run.settings:
        whole = json.dumps(json.loads(record.run.settings), indent=2, ensure_ascii=False)
        rows.append(("Configuration of the run", whole))
    for name, step in record.run.steps.items():
        given = {
            key: lineage.parsed(value) for key, value in sorted(step.properties.items()) if key not in _HIDDEN
        }
        if given:
            rows.append((name, json.dumps(given, indent=2, ensure_ascii=False)))
    return rows


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

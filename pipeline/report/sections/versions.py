"""Which code, packages and settings made the run."""

import importlib.metadata
import json
from typing import Any

from pipeline.fingerprint import STEP_CODE, step_fingerprint
from pipeline.report.record import RunRecord

PACKAGES = (
    "tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis", "apache-beam", "numpy",
)  # fmt: skip
_HIDDEN = ("input_fingerprint", "stats_options_json")  # long, and told elsewhere or always the same


def build(record: RunRecord) -> dict[str, Any]:
    """Fingerprints of the code by step, versions and settings."""
    return {
        "code": code(record),
        "recorded": sorted(recorded(record).items()),
        "installed": [(name, _installed(name)) for name in PACKAGES],
        "settings": settings(record),
    }


def code(record: RunRecord) -> list[dict[str, Any]]:
    """Step, the fingerprint that it ran with, and whether the code is still the same."""
    rows = []
    for name, step in record.run.steps.items():
        ran_with = step.properties.get("code") or _custom(step.properties).get("code")
        if not ran_with:
            continue
        kind = next((kind for kind in STEP_CODE if name.startswith(kind)), None)
        now = step_fingerprint(kind) if kind else None
        rows.append({"step": name, "code": ran_with, "same": None if now is None else now == ran_with})
    return rows


def recorded(record: RunRecord) -> dict[str, str]:
    """Versions that the run's own artifacts name."""
    found = {
        str(output.properties["tfx_version"])
        for step in record.run.steps.values()
        for outputs in step.outputs.values()
        for output in outputs
        if output.properties.get("tfx_version")
    }
    return {"tfx": ", ".join(sorted(found))} if found else {}


def settings(record: RunRecord) -> list[tuple[str, str]]:
    """Step and its settings as indented JSON."""
    rows = []
    for name, step in record.run.steps.items():
        told = {key: _parsed(value) for key, value in sorted(step.properties.items()) if key not in _HIDDEN}
        if told:
            rows.append((name, json.dumps(told, indent=2, ensure_ascii=False)))
    return rows


def _custom(properties: dict[str, Any]) -> dict[str, Any]:
    custom = _parsed(properties.get("custom_config", "{}"))
    return custom if isinstance(custom, dict) else {}


def _parsed(value: Any) -> Any:
    """JSON inside a string as what it holds."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

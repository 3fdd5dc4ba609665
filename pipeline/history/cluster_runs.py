"""What runs on a cluster did, from what their steps left on the claim: their documents.

An artifact is known by its place, <run>/<step>/<output>, which its address in the object store tells.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import nsynth
from components.claim import STEP_FILE, Claim, place_of
from pipeline.history import past_runs

STATES = {"succeeded": "COMPLETE", "failed": "FAILED", "running": "RUNNING"}
"""State in the documents → that of a step here."""
_OF_DATA = ("span", "input_fingerprint")  # properties of examples that an ingest is known by
_CUSTOM = "custom:"  # how TFX marks, outside of ML Metadata, what its type of artifact does not have

Told = dict[str, Any]
"""What a step wrote down of itself."""


def told_by(documents: Path) -> list[Told]:
    """Return what the steps of a run have written down, in the order in which they were started.

    Args:
      documents: of the run.
    """
    told = [json.loads(file.read_bytes()) for file in documents.glob(f"*/{STEP_FILE}")]
    return sorted(told, key=lambda step: step["started"])


def steps_of(claim: Claim, run: str) -> dict[str, past_runs.Step]:
    """Read the steps of a run; those that the cache answered are known by what others read of them."""
    documents = claim.documents / run
    told = told_by(documents)
    steps = {step["step"]: step_of(claim, documents, step) for step in told}
    cached: dict[str, dict[str, list[past_runs.Output]]] = {}
    for step in told:
        for key, entries in step.get("inputs", {}).items():
            for entry in entries:
                with contextlib.suppress(nsynth.UserError):
                    _, name, output = place_of(entry["address"])
                    if name not in steps:
                        kept = documents / step["step"] / "inputs" / key
                        cached.setdefault(name, {})[output] = [_output(claim, entry, kept)]
    first = told[0]["started"] if told else 0.0
    found = {
        name: past_runs.Step(name, "CACHED", 0.0, 0, outputs, started=first)
        for name, outputs in cached.items()
    }
    return found | steps


def step_of(claim: Claim, documents: Path, told: Told) -> past_runs.Step:
    """Read a step from what it has written down; `documents` is of its run."""
    folder = documents / told["step"]
    inputs, outputs = (
        {
            key: [_output(claim, entry, folder / side / key) for entry in entries]
            for key, entries in told.get(side, {}).items()
        }
        for side in ("inputs", "outputs")
    )
    if STATES[told["state"]] == "FAILED":  # its answer names no outputs, but some may have been written
        outputs = {kept.name: [past_runs.Output(0, "", str(kept), {})] for kept in folder.glob("outputs/*")}
    properties = [p for listed in outputs.values() for output in listed for p in output.properties.items()]
    of_data = {
        name: int(value) if isinstance(value, float) else value  # Kubeflow keeps all numbers as doubles
        for key, value in properties
        if (name := key.removeprefix(_CUSTOM)) in _OF_DATA
    }
    return past_runs.Step(
        told["step"], STATES[told["state"]], told.get("seconds", 0.0), 0, outputs, inputs,
        properties=of_data | told.get("parameters", {}), started=told["started"],
    )  # fmt: skip


def _output(claim: Claim, entry: Told, kept: Path) -> past_runs.Output:
    """Give an artifact where it lies on the claim; else what is kept of it."""
    path, gone = kept, False
    with contextlib.suppress(nsynth.UserError):
        on_claim = claim.folder("/".join(place_of(entry["address"])))
        path = on_claim if on_claim.is_dir() else kept
        gone = claim.runs.is_dir() and not on_claim.is_dir()
    return past_runs.Output(0, "", str(path), entry["metadata"], gone, entry["address"])

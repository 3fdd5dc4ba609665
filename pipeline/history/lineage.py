"""Which data and code made an artifact or a pushed version: the way back through the history, step by step."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore

import nsynth
from components.documents.ingest import IngestAccount
from components.registry import Registry
from components.version import Version
from pipeline.fingerprint import STEP_CODE, step_fingerprint
from pipeline.history import past_runs
from pipeline.history.identity import tail_of
from pipeline.step_names import kind_of

CACHE = "TransformCache"
"""What an earlier Transform kept, also of notes that are no longer trained on. It saves work and adds nothing, so that
the way back does not lead through it."""


@dataclass(frozen=True)
class Origin:
    """An artifact and how it came to be."""

    artifact: past_runs.Output
    step: past_runs.Step | None
    """None: no step made it, it was imported."""
    run: str
    """Name of the run in which it was made; runs that took it from the cache are not meant."""
    inputs: tuple["Origin", ...]
    """What the step read. An artifact that was reached on two ways is the same object."""

    def ancestors(self) -> list["Origin"]:
        """Return all of them with the artifact itself, each once, nearest first."""
        found: dict[int, Origin] = {}
        waiting = [self]
        while waiting:
            origin = waiting.pop(0)
            if origin.artifact.id not in found:
                found[origin.artifact.id] = origin
                waiting += origin.inputs
        return list(found.values())

    def steps(self) -> list[tuple[str, past_runs.Step]]:
        """Run and step of everything that took part, each once, in the order in which they ran."""
        found = {o.step.execution_id: (o.run, o.step) for o in self.ancestors() if o.step}
        return [found[number] for number in sorted(found)]


def trace(store: MetadataStore, artifact: past_runs.Output) -> Origin:
    """Follow an artifact back to what no step made."""
    known: dict[int, Origin] = {}

    def follow(output: past_runs.Output) -> Origin:
        if output.id not in known:
            run, step = past_runs.maker(store, output.id) or ("", None)
            inputs = step.inputs.values() if step else ()
            read = {o.id: o for outputs in inputs for o in outputs if o.type != CACHE}
            known[output.id] = Origin(output, step, run, tuple(follow(read[i]) for i in sorted(read)))
        return known[output.id]

    return follow(artifact)


def find(registry: Registry, store: MetadataStore, named: str) -> tuple[past_runs.Output, Version | None]:
    """Return the artifact that is meant, and the pushed version, if `named` is one's number.

    Args:
      registry: the serving folder.
      store: the history.
      named: number of a version, id of an artifact, or its folder.

    Raises:
      nsynth.UserError: there is none of that name, or the version's model is not in this history.
    """
    versions = {str(version.number): version for version in registry.versions()}
    if named in versions:
        return _model_of(store, versions[named]), versions[named]
    if named.isdecimal():
        # Larger numbers cannot be ids; MLMD would fail on them.
        found = past_runs.find_artifact(store, int(named)) if int(named) < 2**31 else None
    else:
        paths = (named.rstrip("/"), str(Path(named).resolve()))
        found = next((a for path in paths if (a := past_runs.find_artifact(store, path))), None)
    if not found:
        known = ", ".join(versions) or "none"
        raise nsynth.UserError(
            f"{named} is neither an artifact of this history (its id or folder) "
            f"nor a version in {registry.destination} (there are: {known})"
        )
    return found, None


def _model_of(store: MetadataStore, version: Version) -> past_runs.Output:
    record = version.record
    found = past_runs.find_artifact(store, record.model_id) if record.model_id else None
    # By its place in the workspace, whose address may have changed since; another workspace may have the same places.
    here = found and tail_of(found.uri) == tail_of(record.model_uri) != ""
    if not (found and here) or (record.run and record.run not in past_runs.run_names(store)):
        said = f"run {record.run}, {record.model_uri}" if record.model_uri else "nothing"
        raise nsynth.UserError(
            f"version {version.number} was not made in this history; its record says: {said}"
        )
    return found


def code_of(step: past_runs.Step) -> str:
    """Return the fingerprint of our own code behind a step as it ran; empty for TFX's own steps."""
    custom = parsed(step.properties.get("custom_config", "{}"))
    return str(step.properties.get("code") or (custom.get("code") if isinstance(custom, dict) else "") or "")


def unchanged(step: past_runs.Step) -> bool | None:
    """Return whether the code is still the one that the step ran with; none where it cannot be told."""
    kind = kind_of(step.name)
    return step_fingerprint(kind) == code_of(step) if kind in STEP_CODE and code_of(step) else None


def parsed(value: Any) -> Any:
    """Return JSON inside a string as what it holds; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def sources(steps: list[tuple[str, past_runs.Step]]) -> list[dict[str, Any]]:
    """Return what each ingest among the steps read: folder, span, TFX's fingerprint of the files, and its account."""
    found = []
    for _, step in steps:
        quarantine = step.output("quarantine")
        if "input_base" not in step.properties or quarantine is None:
            continue
        there = (quarantine.path / IngestAccount.FILE).exists()
        account = IngestAccount.read(quarantine.path) if there else None
        found.append(
            {
                "step": step.name,
                "folder": step.properties["input_base"],
                "span": step.properties.get("span"),
                "fingerprint": step.properties.get("input_fingerprint"),
                "files": [file.model_dump(mode="json") for file in account.files] if account else [],
                "notes": account.notes_in if account else None,
                "used": account.used if account else None,
            }
        )
    return found

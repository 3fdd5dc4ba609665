"""What a step is handed and what it answers, put right: ExecutorInput and ExecutorOutput, between KFP and TFX.

KFP passes artifacts on without their types, by the address of an object store whose content its launcher has laid
into a folder; TFX's executors work in folders and want types. On Vertex AI gs://bucket is the folder /gcs/bucket.
"""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.claim import Claim
from components.staging import ADDRESS
from kubeflow import artifacts

LOGS_OUTPUT = "executor-logs"
VALUE_TYPE = re.compile(r"title: tfx\.(Boolean|Float|Integer|JsonValue|String)\s")

STAGING_ROOT = os.environ.get("NSYNTH_STAGING_ROOT", "/")
"""Below this folder KFP's launcher mirrors the object stores; another one only where / cannot be written to."""
STAGED = {
    scheme: os.path.join(STAGING_ROOT, folder)
    for scheme, folder in (("minio://", "minio/"), ("s3://", "s3/"), ("gs://", "gcs/"))
}
"""Address of an object store → the folder in which KFP's launcher lays inputs and from which it takes outputs.

At /gcs Vertex AI shows the buckets themselves.
"""

CACHE_KEYS = ("seen", "lift")
"""Parameters that are part of Kubeflow's cache key and that TFX knows nothing of."""


def fix_input(
    executor_input: dict[str, Any], inputs_spec: dict[str, Any], claim: Claim | None = None
) -> None:
    """Make KFP's ExecutorInput one that TFX understands, in place.

    Raises:
      nsynth.UserError: an input is not there as it was published.
    """
    declared = inputs_spec.get("artifacts", {})
    for name, artifact in artifacts_of(executor_input, "inputs"):
        # KFP's driver passes artifacts on without their types; TFX picks the class by it.
        artifact["type"] = declared[name]["artifactType"]
        # TFX opens no minio://, and the launcher has copied the artifact here in any case.
        address, artifact["uri"] = artifact["uri"], to_staged(artifact["uri"])
        artifact.setdefault("metadata", {})[ADDRESS] = address
        # An object store knows no empty folders: an empty artifact was not copied at all.
        if artifact["uri"] != address and not os.path.exists(artifact["uri"]):
            os.makedirs(artifact["uri"])
        artifact["uri"] = artifacts.located(artifact["uri"], claim)
        # KFP stores a list as {"list": [...]} and a dict as {"struct": {...}}, and leaves them so.
        artifact["metadata"] = {key: unwrapped(value) for key, value in artifact["metadata"].items()}
    # With log publishing on, the driver adds an output that no component declares, of a type TFX cannot import.
    executor_input.get("outputs", {}).get("artifacts", {}).pop(LOGS_OUTPUT, None)
    for _, artifact in artifacts_of(executor_input, "outputs"):
        artifact["uri"] = to_staged(artifact["uri"])
        # The launcher makes the folder above alone; TFX's executors rely on theirs. A value, though, is a file.
        if not is_value(artifact):
            os.makedirs(artifact["uri"], exist_ok=True)


def take_over_metadata(executor_input: dict[str, Any], driver_output: dict[str, Any]) -> None:
    """Add what the driver found out about the output artifacts (span, fingerprint), in place."""
    found = {name: artifact.get("metadata", {}) for name, artifact in artifacts_of({"": driver_output}, "")}
    for name, artifact in artifacts_of(executor_input, "outputs"):
        artifact["metadata"] = {**artifact.get("metadata", {}), **found.get(name, {})}


def fix_files(folder: Path, places: Mapping[str, str]) -> None:
    """Write addresses where the JSON files of an output name folders that only this attempt of the step has."""
    for path in folder.rglob("*.json") if folder.is_dir() else ():
        text = path.read_text(errors="replace")
        if not any(place in text for place in places):
            continue
        with contextlib.suppress(ValueError):  # TFX and TFMA have files of that name that hold something else
            content = json.loads(text)
            if (fixed := to_addresses(content, places, drop_null=False)) != content:
                path.write_text(json.dumps(fixed, indent=1))


def to_staged(uri: str) -> str:
    """minio://bucket/key → /minio/bucket/key; another address stays as it is."""
    for scheme, folder in STAGED.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri


def staged_places() -> dict[str, str]:
    """Folder of the launcher → address."""
    return {folder: scheme for scheme, folder in STAGED.items()}


def to_addresses(value: Any, places: Mapping[str, str] | None = None, drop_null: bool = True) -> Any:
    """Go the way back, for every string in `value`: the launcher uploads and records addresses, not folders.

    Metadata too, since properties such as the Evaluator's `current_model` hold addresses of artifacts. Properties
    without a value are left out (`drop_null`): the launcher fails the step over a null.
    """
    places = staged_places() if places is None else places
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if item is not None or not drop_null}
        return {key: to_addresses(item, places, drop_null) for key, item in kept.items()}
    if isinstance(value, list):
        return [to_addresses(item, places, drop_null) for item in value]
    if isinstance(value, str):
        for folder, address in places.items():
            if value == folder or value.startswith(f"{folder.rstrip('/')}/"):
                return address + value.removeprefix(folder)
    return value


def unwrapped(value: Any) -> Any:
    """Return the list or dict inside of KFP's wrapping; another value stays as it is."""
    if isinstance(value, dict) and len(value) == 1:
        return value.get("list", value.get("struct", value))
    return value


def artifacts_of(executor_input: dict[str, Any], side: str) -> list[tuple[str, dict[str, Any]]]:
    """List the artifacts of a side, `inputs` or `outputs`, with their names."""
    lists = executor_input.get(side, {}).get("artifacts", {})
    return [(name, artifact) for name, entry in lists.items() for artifact in entry.get("artifacts", [])]


def is_value(artifact: dict[str, Any]) -> bool:
    """Whether it is a file with a value rather than a folder."""
    return bool(VALUE_TYPE.match(artifact["type"].get("instanceSchema", "")))

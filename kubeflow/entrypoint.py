"""The command of every step's container, on open-source Kubeflow Pipelines and on Vertex AI.

TFX's own command, `kubeflow_v2_run_executor`, expects what Vertex AI hands to it; open-source KFP hands over
something else. This command fixes the difference and starts TFX's, unpatched, as a child (see light.py):

    python -m kubeflow.entrypoint --step NAME [--driver MODULE] [--workspace FOLDER [--artifacts claim]] \
        <what TFX's command takes>

On Vertex AI one thing is left for it to do: our steps work in folders, and there gs://bucket is one, /gcs/bucket.

It imports the standard library and modules that do the same, so that it costs nothing and outlives a child that runs
out of memory.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nsynth
from components.claim import Claim
from components.staging import ADDRESS
from kubeflow import artifacts
from kubeflow.documents import ERROR_VARIABLE, NOWHERE, StepDocuments, of_workspace, run_of

TFX_COMMAND = "kubeflow.light"
DRIVER_MODULE = "--driver_module"
"""Tells that command to run a driver in place of the step."""
EXECUTOR_INPUT = "--json_serialized_invocation_args"
INPUTS_SPEC = "--json_serialized_inputs_spec_args"
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
ALIVE_EVERY_S = 60.0
"""Between two signs of life of a step."""

_received: list[int] = []
_running: list[subprocess.Popen[bytes]] = []


def main(argv: list[str]) -> int:
    """Run one step; return its exit code."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--step", required=True, help="name of the step, for the log")
    parser.add_argument("--driver", help="module to run first; it resolves {SPAN} of an ExampleGen")
    parser.add_argument("--workspace", type=Path, help="on a volume that all pods share")
    parser.add_argument("--artifacts", choices=("claim", "store"), default="store", help="where outputs go")
    parser.add_argument(EXECUTOR_INPUT, dest="executor_input", required=True, type=json.loads)
    parser.add_argument(INPUTS_SPEC, dest="inputs_spec", default={}, type=json.loads)
    args, tfx_args = parser.parse_known_args(argv)
    # Kubernetes stops a pod with SIGTERM, a terminal with SIGINT: both must reach the child, not us alone.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _forward)
    started = time.monotonic()
    documents = documents_of(args.step, args.workspace, args.executor_input)
    documents.begun()
    answer = to_staged(args.executor_input["outputs"]["outputFile"])
    for key in CACHE_KEYS:
        args.executor_input.get("inputs", {}).get("parameterValues", {}).pop(key, None)
    code = 1
    try:
        claim = Claim(args.workspace) if args.workspace else None
        step = Step(args.step, claim, args.artifacts == "claim", documents)
        code = run_step(step, args.executor_input, args.inputs_spec, args.driver, tfx_args)
    except nsynth.UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        documents.failed(str(error))
    finally:
        used = cost(started)
        documents.ended(code, used, args.executor_input, None if code else _read(answer))
        print(json.dumps({"step": args.step, **used, "exit_code": code}), flush=True)
    return code


def documents_of(step: str, workspace: Path | None, executor_input: dict[str, Any]) -> StepDocuments:
    """Where the documents of this step go: nowhere if it knows no workspace, or its run cannot be told."""
    run = run_of([artifact["uri"] for _, artifact in _artifacts(executor_input, "outputs")])
    return StepDocuments(of_workspace(workspace) / run if workspace and run else None, step)


class Failed(Exception):  # noqa: N818
    """A child failed; its output says why."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Step:
    """A step as it was compiled."""

    name: str
    claim: Claim | None = None
    """The workspace, where all pods share it."""
    on_claim: bool = False
    """Whether its outputs go there, too."""
    documents: StepDocuments = NOWHERE
    """What it leaves for the step Report."""


def run_step(
    step: Step,
    executor_input: dict[str, Any],
    inputs_spec: dict[str, Any],
    driver: str | None,
    tfx_args: list[str],
) -> int:
    """Fix the input, run the driver, if any, and the executor, and fix the output.

    Raises:
      nsynth.UserError: an input is not there as it was published.
    """
    fix_input(executor_input, inputs_spec, step.claim)
    # Vertex AI names this file by its address; KFP by its path, which stays.
    output_file = executor_input["outputs"]["outputFile"] = to_staged(executor_input["outputs"]["outputFile"])
    outputs = {
        name: (artifact, to_addresses(artifact["uri"]))
        for name, artifact in _artifacts(executor_input, "outputs")
        if not _is_value(artifact)
    }
    published: contextlib.AbstractContextManager[dict[str, str]] = contextlib.nullcontext({})
    if step.claim and step.on_claim and outputs:
        published = artifacts.on_claim(step.claim, step.name, executor_input, outputs)
    try:
        with published as on_claim:
            places = staged_places() | on_claim
            try:
                _execute(step, executor_input, inputs_spec, driver, tfx_args)
            finally:
                for artifact, _ in outputs.values():
                    fix_files(Path(artifact["uri"]), places)
                for side in ("inputs", "outputs"):
                    for key, artifact in _artifacts(executor_input, side):
                        step.documents.keep(side, key, Path(artifact["uri"]))
            answer = to_addresses(_read(executor_input["outputs"]["outputFile"]), places)
    except Failed as failed:
        return failed.code
    with open(output_file, "w") as file:
        json.dump(answer, file)
    return 0


def _execute(
    step: Step,
    executor_input: dict[str, Any],
    inputs_spec: dict[str, Any],
    driver: str | None,
    tfx_args: list[str],
) -> None:
    if driver:
        # KFP knows no `preCacheCheck` hook, in which Vertex AI runs the driver: {SPAN} would stay literal.
        given = [DRIVER_MODULE, driver, *tfx_args]
        _run(TFX_COMMAND, executor_input, inputs_spec, given, step.documents)
        # TFX's command takes the driver's parameters from this file, but not what it knows of the artifacts.
        take_over_metadata(executor_input, _read(executor_input["outputs"]["outputFile"]))
    _run(TFX_COMMAND, executor_input, inputs_spec, tfx_args, step.documents)


def fix_input(
    executor_input: dict[str, Any], inputs_spec: dict[str, Any], claim: Claim | None = None
) -> None:
    """Make KFP's ExecutorInput one that TFX understands, in place.

    Raises:
      nsynth.UserError: an input is not there as it was published.
    """
    declared = inputs_spec.get("artifacts", {})
    for name, artifact in _artifacts(executor_input, "inputs"):
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
    for _, artifact in _artifacts(executor_input, "outputs"):
        artifact["uri"] = to_staged(artifact["uri"])
        # The launcher makes the folder above alone; TFX's executors rely on theirs. A value, though, is a file.
        if not _is_value(artifact):
            os.makedirs(artifact["uri"], exist_ok=True)


def take_over_metadata(executor_input: dict[str, Any], driver_output: dict[str, Any]) -> None:
    """Add what the driver found out about the output artifacts (span, fingerprint), in place."""
    found = {name: artifact.get("metadata", {}) for name, artifact in _artifacts({"": driver_output}, "")}
    for name, artifact in _artifacts(executor_input, "outputs"):
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


def _artifacts(executor_input: dict[str, Any], side: str) -> list[tuple[str, dict[str, Any]]]:
    lists = executor_input.get(side, {}).get("artifacts", {})
    return [(name, artifact) for name, entry in lists.items() for artifact in entry.get("artifacts", [])]


def _is_value(artifact: dict[str, Any]) -> bool:
    """Whether it is a file with a value rather than a folder."""
    return bool(VALUE_TYPE.match(artifact["type"].get("instanceSchema", "")))


def _run(
    module: str,
    executor_input: dict[str, Any],
    inputs_spec: dict[str, Any],
    tfx_args: list[str],
    documents: StepDocuments = NOWHERE,
) -> None:
    """Run a module of TFX's as a child; a child killed by signal n answers 128 + n, as shells have it.

    Raises:
      Failed: it answered something else than 0.
    """
    command = [sys.executable, "-m", module, EXECUTOR_INPUT, json.dumps(executor_input)]
    command += [INPUTS_SPEC, json.dumps(inputs_spec), *tfx_args]
    if _received:  # it came between two children
        raise Failed(128 + _received[0])
    told = {ERROR_VARIABLE: str(documents.error_file)} if documents.error_file else {}
    child = subprocess.Popen(command, env={**os.environ, **told})
    _running[:] = [child]
    for number in _received:  # it came while the child was being started
        child.send_signal(number)
    while (code := _waited(child)) is None:
        documents.alive()
    if code:
        raise Failed(128 - code if code < 0 else code)


def _waited(child: subprocess.Popen[bytes]) -> int | None:
    """Exit code of the child; None if it is time for a sign of life."""
    try:
        return child.wait(ALIVE_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def _forward(number: int, _: Any) -> None:
    _received.append(number)
    for child in _running:
        child.send_signal(number)


def _read(path: str) -> dict[str, Any]:
    with open(path) as file:
        return json.load(file)


def cost(started: float, who: int = resource.RUSAGE_CHILDREN) -> dict[str, float]:
    """Wall and CPU time in s and resident memory in MB (Linux counts it in KiB), of the children by default."""
    used = resource.getrusage(who)
    peak_bytes = used.ru_maxrss * 1024 if who == resource.RUSAGE_CHILDREN else _own_peak_bytes()
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_mb": round(peak_bytes / 1e6),
    }


def _own_peak_bytes() -> int:
    """Return this process's peak; getrusage would count what it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

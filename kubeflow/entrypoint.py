"""The command of every step's container, on open-source Kubeflow Pipelines and on Vertex AI.

TFX's own command, `kubeflow_v2_run_executor`, expects what Vertex AI hands to it; open-source KFP hands over
something else. This command fixes the difference (executor_input.py) and starts TFX's, unpatched, as a child
(light.py):

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
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nsynth
from components.claim import Claim
from kubeflow import artifacts
from kubeflow.documents import ERROR_VARIABLE, NOWHERE, StepDocuments, of_workspace, run_of
from kubeflow.executor_input import (
    CACHE_KEYS,
    artifacts_of,
    fix_files,
    fix_input,
    is_value,
    staged_places,
    take_over_metadata,
    to_addresses,
    to_staged,
)
from pipeline.memory import peak_bytes

TFX_COMMAND = "kubeflow.light"
DRIVER_MODULE = "--driver_module"
"""Tells that command to run a driver in place of the step."""
EXECUTOR_INPUT = "--json_serialized_invocation_args"
INPUTS_SPEC = "--json_serialized_inputs_spec_args"
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
    run = run_of([artifact["uri"] for _, artifact in artifacts_of(executor_input, "outputs")])
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
        for name, artifact in artifacts_of(executor_input, "outputs")
        if not is_value(artifact)
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
                    for key, artifact in artifacts_of(executor_input, side):
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
    peak = used.ru_maxrss * 1024 if who == resource.RUSAGE_CHILDREN else peak_bytes()
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_mb": round(peak / 1e6),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

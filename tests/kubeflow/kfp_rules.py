"""What Kubeflow Pipelines (2.16) refuses, and what it does to values and files on their way: no state, no side effects.

Part of the step runner (step_runner.py).
"""

import re
import shutil
from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

Spec = dict[str, Any]
NUMBERS = {"NUMBER_DOUBLE", "NUMBER_INTEGER"}


class Refused(Exception):  # noqa: N818 (what KFP did)
    """KFP would not take this."""


def read_package(package: Path) -> tuple[Spec, Spec]:
    """Both documents, parsed as strictly as the API server does."""
    documents = list(yaml.safe_load_all(package.read_text()))
    spec, platforms = documents[0], documents[1] if len(documents) > 1 else {}
    try:
        json_format.ParseDict(spec, pb.PipelineSpec())
        json_format.ParseDict(platforms, pb.PlatformSpec())
    except json_format.ParseError as error:
        raise Refused(f"invalid v2 pipeline spec: {error}") from error
    if spec["schemaVersion"] != "2.1.0":
        raise Refused(f"KFP only supports schema version 2.1.0, not {spec['schemaVersion']}")
    for label, executor in spec["deploymentSpec"]["executors"].items():
        if "container" not in executor:
            raise Refused(f"executor {label}: {list(executor)} not implemented")
    return spec, platforms


def resolve_root(spec: Spec, given: Spec) -> Spec:
    """The run's parameters, with their defaults."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name in given:
        if name not in declared:
            raise Refused(f"parameter {name} is not among the pipeline's: {sorted(declared)}")
    values = {}
    for name, parameter in declared.items():
        if name not in given and "defaultValue" not in parameter and not parameter.get("isOptional"):
            raise Refused(f"parameter {name} has neither default value nor user provided value")
        values[name] = given.get(name, parameter.get("defaultValue"))
        check_type(name, values[name], parameter["parameterType"])
    return values


def check_type(name: str, value: Any, kind: str) -> None:
    """Refuses a value of another type than declared."""
    fits = {"STRING": str, "BOOLEAN": bool, "LIST": list, "STRUCT": dict}
    if not isinstance(value, (int, float) if kind in NUMBERS else fits[kind]):
        raise Refused(f"input parameter {name!r} type mismatch: expect {kind}, got {value!r}")


def order(tasks: Spec) -> list[str]:
    """Tasks so that each comes after those it needs; producers count as needed."""
    needs: dict[str, set[str]] = {}
    for name, task in tasks.items():
        inputs = task.get("inputs", {})
        sources = [*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values()]
        producers = {
            source[kind]["producerTask"]
            for source in sources
            for kind in ("taskOutputArtifact", "taskOutputParameter")
            if kind in source
        }
        needs[name] = producers | set(task.get("dependentTasks", []))
        if unknown := needs[name] - set(tasks):
            raise Refused(f"unknown producer task {unknown} in DAG")
        task["dependentTasks"] = sorted(needs[name])
    return list(TopologicalSorter(needs).static_order())


def as_stored(key: str, value: Any) -> Any:
    """A property after its way through the metadata store."""
    if value is None:
        raise Refused(f"{key}: unknown/unsupported value type NullValue")
    if isinstance(value, list):
        return {"list": value}
    if isinstance(value, dict):
        return {"struct": value}
    return float(value) if isinstance(value, int | float) else value


def staged(pod: Path, uri: str) -> Path:
    """The launcher's folder for an address."""
    scheme, _, rest = uri.partition("://")
    folders = {"minio": "minio", "s3": "s3", "gs": "gcs"}
    if scheme not in folders:
        raise Refused(f"{uri}: unsupported storage scheme")
    return pod / folders[scheme] / rest


def copy_files(source: Path, target: Path) -> int:
    """Copies files; like an object store it knows nothing of empty folders, and nothing need be there.

    Returns:
      How many bytes were copied.
    """
    copied = 0
    for file in [source] if source.is_file() else source.rglob("*"):
        if file.is_file():
            destination = target / file.relative_to(source) if file != source else target
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, destination)
            copied += destination.stat().st_size
    return copied


def holds(condition: str, inputs: Spec) -> bool:
    """Evaluates the CEL that TFX and the SDK write: comparisons of properties or parameters, with &&, || and !."""
    python = condition.replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", " not ", python)
    artifacts = {
        key: SimpleNamespace(artifacts=[SimpleNamespace(**artifact) for artifact in entry["artifacts"]])
        for key, entry in inputs["artifacts"].items()
    }
    given = SimpleNamespace(artifacts=artifacts, parameter_values=inputs.get("parameterValues", {}))
    return bool(eval(python.strip(), {"__builtins__": {"int": int}}, {"inputs": given}))

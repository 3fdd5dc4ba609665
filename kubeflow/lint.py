"""Finds what the backend of open-source Kubeflow Pipelines would refuse, before it is sent there."""

import getpass
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

import nsynth
from kubeflow.options import IMAGE_PATTERN, quantity
from kubeflow.package import Package

Spec = dict[str, Any]

SCHEMA_VERSION = "2.1.0"
NAME_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
EXECUTORS = {"container", "importer"}
"""Kinds that KFP's compiler implements; it knows resolvers and custom jobs by name only."""
TFX_IMAGE = "gcr.io/tfx-oss-public/tfx"
"""What TFX falls back to where no image is named; it does not hold our code."""
KUBERNETES_KEYS = {
    "activeDeadlineSeconds", "configMapAsEnv", "imagePullSecret", "nodeSelector", "pvcMount", "secretAsEnv",
    "tolerations",
}  # fmt: skip


def problems(package: Package) -> list[str]:
    """Return all that is wrong with a compiled package, one sentence each; none means that it may be sent."""
    try:
        json_format.ParseDict(package.spec, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(package.platforms, pipeline_spec_pb2.PlatformSpec())
    except json_format.ParseError as error:
        return [f"not a PipelineSpec: {error}"]
    return [
        *_header(package.spec),
        *_root_parameters(package.spec),
        *_graph(package.spec),
        *_executors(package.spec),
        *_platform(package),
        *local_paths(package),
    ]


def refuse(package: Package, what: str) -> None:
    """Stop what may not be sent.

    Raises:
      nsynth.UserError: the package has problems; all are listed.
    """
    if found := problems(package):
        listed = "\n".join(f"  {problem}" for problem in found)
        raise nsynth.UserError(f"Kubeflow Pipelines would reject {what}:\n{listed}")


def _header(spec: Spec) -> Iterator[str]:
    if spec.get("schemaVersion") != SCHEMA_VERSION:
        yield f"schema version {spec.get('schemaVersion')}: only {SCHEMA_VERSION} is taken"
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not re.fullmatch(NAME_PATTERN, name):
        yield f"pipeline name {name!r}: lower-case letters, digits and inner hyphens only"


def _root_parameters(spec: Spec) -> Iterator[str]:
    for name, parameter in spec["root"].get("inputDefinitions", {}).get("parameters", {}).items():
        if "defaultValue" not in parameter:
            yield f"parameter {name} has no default: a schedule could not start the pipeline"


def _graph(spec: Spec) -> Iterator[str]:
    """Yield the root's tasks, and those of each group."""
    for group in (spec["root"], *spec["components"].values()):
        if "dag" in group:
            yield from _tasks(group, spec["components"])


def _tasks(group: Spec, components: Spec) -> Iterator[str]:
    tasks = group["dag"]["tasks"]
    parameters = group.get("inputDefinitions", {}).get("parameters", {})
    for name, task in tasks.items():
        component = components.get(task.get("componentRef", {}).get("name"))
        if component is None:
            yield f"{name}: its component is missing"
            continue
        yield from _needed_parameters(name, task, component)
        for key, value in _inputs(task):
            wanted = value.get("componentInputParameter")
            if wanted and wanted not in parameters:
                yield f"{name}.{key}: the pipeline has no parameter {wanted}"
            yield from _producer(f"{name}.{key}", value, tasks, components)
            if value.get("taskFinalStatus", {}).get("producerTask", name) not in (name, *tasks):
                yield f"{name}.{key}: waits for a task that is none"
        for other in task.get("dependentTasks", []):
            if other not in tasks:
                yield f"{name}: waits for {other}, which is no task"
    try:
        TopologicalSorter({n: t.get("dependentTasks", []) for n, t in tasks.items()}).prepare()
    except CycleError as error:
        yield f"tasks wait for one another: {' → '.join(error.args[1])}"


def _needed_parameters(name: str, task: Spec, component: Spec) -> Iterator[str]:
    given = task.get("inputs", {}).get("parameters", {})
    for key, parameter in component.get("inputDefinitions", {}).get("parameters", {}).items():
        if key not in given and "defaultValue" not in parameter and not parameter.get("isOptional"):
            yield f"{name}.{key}: neither value nor default"


def _inputs(task: Spec) -> list[tuple[str, Spec]]:
    inputs = task.get("inputs", {})
    return [*inputs.get("parameters", {}).items(), *inputs.get("artifacts", {}).items()]


def _producer(where: str, value: Spec, tasks: Spec, components: Spec) -> Iterator[str]:
    for kind, section, key in (
        ("taskOutputArtifact", "artifacts", "outputArtifactKey"),
        ("taskOutputParameter", "parameters", "outputParameterKey"),
    ):
        source = value.get(kind)
        if not source:
            continue
        task = tasks.get(source["producerTask"])
        if task is None:
            yield f"{where}: its producer {source['producerTask']} is no task"
            continue
        outputs = components.get(task["componentRef"]["name"], {}).get("outputDefinitions", {})
        if source[key] not in outputs.get(section, {}):
            yield f"{where}: {source['producerTask']} has no output {source[key]}"


def _executors(spec: Spec) -> Iterator[str]:
    executors = spec["deploymentSpec"]["executors"]
    for name, component in spec["components"].items():
        if "dag" not in component and component.get("executorLabel") not in executors:
            yield f"{name}: no executor {component.get('executorLabel')}"
    for label, executor in executors.items():
        for kind in set(executor) - EXECUTORS:
            yield f"{label}: executors of kind {kind} are not implemented in KFP"
        if "container" in executor:
            yield from (f"{label}: {problem}" for problem in _container(executor["container"]))
    yield from _twins(spec)


def _twins(spec: Spec) -> Iterator[str]:
    """KFP files a component's interface under the hash of its container: twins would share the first one's."""
    seen: dict[str, str] = {}
    for name, component in sorted(spec["components"].items()):
        executor = spec["deploymentSpec"]["executors"].get(component.get("executorLabel"), {})
        if "container" not in executor:
            continue
        twin = seen.setdefault(json.dumps(executor["container"], sort_keys=True), name)
        if twin != name:
            yield f"{name} and {twin} run the same container: KFP would mix up their inputs and outputs"


def _container(container: Spec) -> Iterator[str]:
    image = container.get("image", "")
    if not re.fullmatch(IMAGE_PATTERN, image) or image.startswith(TFX_IMAGE):
        yield f"image {image!r} is not one of ours"
    if not container.get("command"):
        yield "no command: KFP's launcher takes none from the image"
    if container.get("lifecycle"):
        yield "lifecycle hooks are ignored by KFP"
    if container.get("env"):
        yield "environment by value: name a ConfigMap or Secret instead"
    resources = container.get("resources", {})
    for key, value in resources.items():
        if key.startswith("resource"):
            try:
                quantity(value)
            except ValueError as error:
                yield str(error)
        elif key != "accelerator" and value <= 0:
            yield f"{key} = {value} must be more than 0"


def _platform(package: Package) -> Iterator[str]:
    for platform, content in package.platforms.get("platforms", {}).items():
        if platform != "kubernetes":
            yield f"platform {platform}: KFP knows kubernetes alone"
        for label, executor in content.get("deploymentSpec", {}).get("executors", {}).items():
            if label not in package.spec["deploymentSpec"]["executors"]:
                yield f"platform: {label} is no executor"
            for key in set(executor) - KUBERNETES_KEYS:
                yield f"platform: {label}: unknown key {key}"


def local_paths(package: Package) -> Iterator[str]:
    """Yield the folders of the machine that compiled: none of them exists in the container."""
    local = {
        str(Path(nsynth.__file__).parent),
        str(Path.home()),
        tempfile.gettempdir(),
        sys.prefix,
        os.getcwd(),
    }
    local = {path for path in local if path.count("/") > 1 or path == tempfile.gettempdir()}
    text = package.text()
    for path in sorted(local):
        if re.search(rf"(?<![\w/]){re.escape(path)}(?![\w])", text):
            yield f"{path} is a path of this machine"
    if re.search(rf"/home/{re.escape(getpass.getuser())}\b", text):
        yield "the home folder of this user is named"

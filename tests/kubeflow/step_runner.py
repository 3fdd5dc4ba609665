"""Runs a compiled pipeline as open-source Kubeflow Pipelines would, without a cluster.

Reads the compiled YAML and nothing else. Each step is done to what KFP's driver and launcher do to it (release
2.16): input artifacts arrive without types, with numbers as doubles and lists and dicts wrapped; an output
`executor-logs` is added; addresses are minio://, mirrored below a fresh folder for each pod, files only; the
command's placeholders are replaced; the command runs in a pod (pod.py); what it answers is parsed strictly; its outputs
are uploaded and recorded. Tasks that do not wait for each other run at once. Groups of tasks, conditions and tasks that
always run are understood as the SDK compiles them. Where KFP would refuse, this raises `Refused`.
"""

import hashlib
import itertools
import json
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as pb
from kfp_rules import (
    Refused,
    Spec,
    as_stored,
    check_type,
    copy_files,
    holds,
    order,
    read_package,
    resolve_root,
    staged,
)
from pod import OUTPUT_FILE, Pod, give, why_not_isolated

LOGS = "executor-logs"


@dataclass
class Task:
    """What became of one task."""

    state: str  # SUCCEEDED, CACHED, FAILED, SKIPPED (condition) or OMITTED (something before it failed)
    artifacts: dict[str, Spec] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    attempts: int = 0

    @property
    def cost(self) -> Spec:
        """The line of JSON that the entrypoint logs."""
        return json.loads([line for line in self.log.splitlines() if line.startswith('{"step"')][-1])


@dataclass
class Cluster:
    """A bucket, a metadata store and a cache that outlive runs.

    `image` is the folder that the image holds; `lacking`, the modules of this environment that it does not. `claims`
    are folders that stand for the claims of these names: a pod sees those of its step, at their own paths.
    """

    image: Path
    folder: Path
    lacking: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)
    isolated: bool = field(default_factory=lambda: not why_not_isolated())
    root: str = "minio://mlpipeline/v2/artifacts"
    publish_logs: bool = True
    cache: dict[tuple[str, str], Task] = field(default_factory=dict)
    ids: itertools.count = field(default_factory=lambda: itertools.count(1))
    down_bytes: int = 0
    """From the object store into pods, in all runs."""
    up_bytes: int = 0
    """From pods into the object store, in all runs."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self, package: Path, parameters: Spec | None = None, stop_on_error: bool = True
    ) -> dict[str, Task]:
        """Runs every task, those within groups too; a group that is skipped hides its tasks.

        Raises:
          Refused: the pipeline or its parameters would not be taken.
          AssertionError: a step failed (with `stop_on_error`).
        """
        spec, platforms = read_package(package)
        for claim in self.claims.values():
            claim.mkdir(parents=True, exist_ok=True)
            if self.isolated:
                give(claim)
        run = Run(self, spec, platforms, str(uuid.uuid4()), stop_on_error)
        run.group(spec["root"]["dag"], Inputs(resolve_root(spec, parameters or {})))
        return run.done

    def path(self, uri: str) -> Path:
        """Where the bucket keeps what lies under `uri`."""
        if not uri.startswith(self.root + "/"):
            raise Refused(f"{uri} is not below {self.root}")
        return self.folder / "bucket" / uri.partition("://")[2]

    def moved(self, down: int = 0, up: int = 0) -> None:
        """Counts bytes."""
        with self.lock:
            self.down_bytes += down
            self.up_bytes += up


@dataclass
class Inputs:
    """What a group of tasks is given: of the root, the run's parameters; of a group within it, what it names."""

    parameters: Spec
    artifacts: dict[str, Spec] = field(default_factory=dict)


@dataclass
class Run:
    """One run of a pipeline."""

    cluster: Cluster
    spec: Spec
    platforms: Spec
    id: str
    stop_on_error: bool = True
    done: dict[str, Task] = field(default_factory=dict)
    """What became of each task, by its name."""

    @property
    def _placeholders(self) -> dict[str, str]:
        """Constants that the driver replaces: only where they are all of a value."""
        return {"{{$.pipeline_job_uuid}}": self.id, "{{$.pipeline_job_name}}": f"run {self.id[:8]}"}

    def group(self, dag: Spec, given: Inputs) -> str:
        """Runs the tasks of a DAG; answers its state in Argo, for which what did not run is no failure."""
        if dag.get("outputs"):
            raise Refused("outputs of a group are not imitated")
        order(dag["tasks"])
        waiting = TopologicalSorter({name: task["dependentTasks"] for name, task in dag["tasks"].items()})
        waiting.prepare()
        running: dict[Future[Task], str] = {}
        with ThreadPoolExecutor() as pool:
            while waiting.is_active():
                for name in waiting.get_ready():
                    if name in self.done:
                        raise Refused(f"two tasks are called {name}: not imitated")
                    running[pool.submit(self.task, name, dag["tasks"][name], given)] = name
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    task = self.done[name] = future.result()
                    if self.stop_on_error:
                        assert task.state != "FAILED", f"{name} failed:\n{task.log[-4000:]}"
                    waiting.done(name)
        return "FAILED" if any(self.done[name].state == "FAILED" for name in dag["tasks"]) else "SUCCEEDED"

    def task(self, name: str, task: Spec, given: Inputs) -> Task:
        """What driver and launcher do to one task."""
        trigger = task.get("triggerPolicy", {})
        always = trigger.get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
        ended_well = (self.done[other].state in ("SUCCEEDED", "CACHED") for other in task["dependentTasks"])
        if not always and not all(ended_well):
            return Task("OMITTED")
        component = self.spec["components"][task["componentRef"]["name"]]
        inputs = self._inputs(task, component, given)
        condition = trigger.get("condition")
        if condition and not holds(condition, inputs):
            return Task("SKIPPED")
        if "dag" in component:
            artifacts = {key: entry["artifacts"][0] for key, entry in inputs["artifacts"].items()}
            return Task(self.group(component["dag"], Inputs(inputs["parameterValues"], artifacts)))
        component, container = self._component(task)
        outputs = self._outputs(name, component)
        key = self._cache_key(inputs, outputs, component, container)
        caching = task.get("cachingOptions", {}).get("enableCache", False)
        if caching and key in self.cluster.cache:
            hit = self.cluster.cache[key]
            return Task("CACHED", hit.artifacts, hit.parameters)
        attempts = 1 + task.get("retryPolicy", {}).get("maxRetryCount", 0)
        for attempt in range(1, attempts + 1):
            result = self._pod(container, component, inputs, outputs)
            result.attempts = attempt
            if result.state == "SUCCEEDED":
                break
        if caching and result.state == "SUCCEEDED":
            self.cluster.cache[key] = result
        return result

    def _component(self, task: Spec) -> tuple[Spec, Spec]:
        """KFP files a component under the hash of its container: the first of several twins is what it finds."""
        executors = self.spec["deploymentSpec"]["executors"]
        container = executors[self.spec["components"][task["componentRef"]["name"]]["executorLabel"]][
            "container"
        ]
        for _, component in sorted(self.spec["components"].items()):
            if "dag" not in component and executors[component["executorLabel"]]["container"] == container:
                return component, container
        raise Refused("no component")

    def _inputs(self, task: Spec, component: Spec, given: Inputs) -> Spec:
        """The driver's `inputs` of ExecutorInput: parameters checked against their types, artifacts without."""
        values, artifacts = {}, {}
        for name, source in task.get("inputs", {}).get("parameters", {}).items():
            if "componentInputParameter" in source:
                values[name] = given.parameters[source["componentInputParameter"]]
            elif "taskOutputParameter" in source:
                ref = source["taskOutputParameter"]
                values[name] = self.done[ref["producerTask"]].parameters[ref["outputParameterKey"]]
            elif "taskFinalStatus" in source:
                producer = source["taskFinalStatus"]["producerTask"]
                values[name] = {"state": self.done[producer].state, "pipelineTaskName": producer}
            elif "constant" in source.get("runtimeValue", {}):
                constant = source["runtimeValue"]["constant"]
                values[name] = self._placeholders.get(constant, constant)
            else:
                raise Refused(f"{name}: param runtime value spec of {source} not implemented")
        for name, parameter in component.get("inputDefinitions", {}).get("parameters", {}).items():
            if name not in values:
                if "defaultValue" not in parameter and not parameter.get("isOptional"):
                    raise Refused(f"neither value nor default value provided for non-optional {name!r}")
            elif parameter["parameterType"] == "TASK_FINAL_STATUS":
                pass
            elif parameter["parameterType"] == "STRING" and not isinstance(values[name], str):
                values[name] = json.dumps(values[name])
            else:
                check_type(name, values[name], parameter["parameterType"])
        for name, source in task.get("inputs", {}).get("artifacts", {}).items():
            if "componentInputArtifact" in source:
                artifact = given.artifacts[source["componentInputArtifact"]]
            else:
                ref = source["taskOutputArtifact"]
                artifact = self.done[ref["producerTask"]].artifacts[ref["outputArtifactKey"]]
            artifacts[name] = {"artifacts": [dict(artifact)]}
        return {"parameterValues": values, "artifacts": artifacts}

    def _outputs(self, name: str, component: Spec) -> Spec:
        definitions = component.get("outputDefinitions", {})
        declared = dict(definitions.get("artifacts", {}))
        if self.cluster.publish_logs:
            declared[LOGS] = {"artifactType": {"schemaTitle": "system.Artifact"}}
        folder = f"{self.cluster.root}/{self.spec['pipelineInfo']['name']}/{self.id}/{name}/{uuid.uuid4()}"
        artifacts = {
            key: {
                "artifacts": [
                    {"uri": f"{folder}/{key}", "type": d["artifactType"], "metadata": d.get("metadata", {})}
                ]
            }
            for key, d in declared.items()
        }
        parameters = {
            key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in definitions.get("parameters", {})
        }
        return {"artifacts": artifacts, "parameters": parameters}

    def _cache_key(self, inputs: Spec, outputs: Spec, component: Spec, container: Spec) -> tuple[str, str]:
        """KFP's: ids of the input artifacts, parameters, outputs without their addresses, command and image."""
        content = {
            "inputArtifactNames": {
                k: [a["name"] for a in v["artifacts"]] for k, v in inputs["artifacts"].items()
            },
            "inputParameterValues": inputs["parameterValues"],
            "outputArtifactsSpec": {
                key: {k: v for k, v in entry["artifacts"][0].items() if k != "uri"}
                for key, entry in outputs["artifacts"].items()
            },
            "outputParametersSpec": component.get("outputDefinitions", {}).get("parameters", {}),
            "containerSpec": {
                "image": container["image"],
                "cmdArgs": [*container["command"], *container["args"]],
                "pvcNames": self._claims(component),
                "env": container.get("env", []),
            },
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return self.spec["pipelineInfo"]["name"], digest

    def _claims(self, component: Spec) -> list[str]:
        """Names of the claims that a step's pod mounts."""
        executors = self.platforms.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
        platform = executors.get("executors", {}).get(component["executorLabel"], {})
        return sorted(mount["constant"] for mount in platform.get("pvcMount", []))

    def _pod(self, container: Spec, component: Spec, inputs: Spec, outputs: Spec) -> Task:
        """A fresh pod: stage inputs, run the command, collect and upload what it leaves."""
        cluster = self.cluster
        pods = cluster.folder / "pods"
        pods.mkdir(parents=True, exist_ok=True)
        pod = Pod(Path(tempfile.mkdtemp(dir=pods)), cluster.isolated, cluster.lacking)
        output_file = pod.folder / OUTPUT_FILE
        executor_input = {"inputs": inputs, "outputs": {**outputs, "outputFile": str(pod.root / OUTPUT_FILE)}}
        json_format.ParseDict(executor_input, pb.ExecutorInput())
        claims = [cluster.claims[name] for name in self._claims(component) if name in cluster.claims]
        try:
            for entry in inputs["artifacts"].values():
                uri = entry["artifacts"][0]["uri"]
                cluster.moved(down=copy_files(cluster.path(uri), staged(pod.folder, uri)))
            for entry in outputs["artifacts"].values():
                staged(pod.folder, entry["artifacts"][0]["uri"]).parent.mkdir(parents=True, exist_ok=True)
            words = _words(container, executor_input)
            code, log = pod.run(words, cluster.image, claims, cluster.environment)
            if code:
                return Task("FAILED", log=f"{log}\nexit code {code}")
            answer = json.loads(output_file.read_text()) if output_file.exists() else {}
            json_format.ParseDict(answer, pb.ExecutorOutput())  # unknown fields are refused
            recorded = self._record(outputs, answer, pod.folder)
            return Task("SUCCEEDED", recorded, self._values(component, answer), log)
        finally:
            shutil.rmtree(pod.folder)

    def _record(self, outputs: Spec, answer: Spec, pod: Path) -> dict[str, Spec]:
        """Uploads the outputs and files them as the metadata store would."""
        recorded = {}
        for key, entry in outputs["artifacts"].items():
            told = answer.get("artifacts", {}).get(key, {}).get("artifacts", [{}])[0]
            uri = told.get("uri") or entry["artifacts"][0]["uri"]
            self.cluster.moved(up=copy_files(staged(pod, uri), self.cluster.path(uri)))
            metadata = {**entry["artifacts"][0]["metadata"], **told.get("metadata", {})}
            metadata = {k: as_stored(k, v) for k, v in metadata.items()}
            metadata.setdefault("display_name", key)
            metadata.setdefault("store_session_info", '{"Provider": "minio", "Params": {"fromEnv": "false"}}')
            recorded[key] = {"name": str(next(self.cluster.ids)), "uri": uri, "metadata": metadata}
        return recorded

    def _values(self, component: Spec, answer: Spec) -> Spec:
        values = answer.get("parameterValues", {})
        for key in component.get("outputDefinitions", {}).get("parameters", {}):
            if key not in values:
                raise Refused(f"failed to read output parameter {key!r}")
        return values


def _words(container: Spec, executor_input: Spec) -> list[str]:
    words = [*container["command"], *container["args"]]
    words = [word.replace("{{$}}", json.dumps(executor_input)) for word in words]
    if left := [word for word in words if re.search(r"\{\{\$\.", word)]:
        raise Refused(f"placeholders left: {left}")
    return words

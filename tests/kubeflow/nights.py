"""A light pipeline with Look and Report around it, and a cluster on which nights pass."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from step_runner import Cluster, Task

from kubeflow.container import platforms_of
from kubeflow.groups import LOOK, REPORT, add_look_and_report, group
from kubeflow.package import Package
from kubeflow.rounds import settings_of
from pipeline.config import Config
from pipeline.history.ledger import Ledger, Round

IMAGE = "registry.example/nsynth:1"
WIRES = {
    "ExampleGen": ([], ["examples", "quarantine"]),
    "DataGate": (["ExampleGen.quarantine"], ["verdict"]),
    "Trainer": (["ExampleGen.examples"], ["model"]),
    "Gate": (["Trainer.model"], ["report"]),
    "Pusher": (["Gate.report", "Trainer.model", "ExampleGen.quarantine"], ["pushed_model"]),
}
NAMES = {"Gate.report": "gate_report"}


def package(config: Config) -> Package:
    """Five stand-ins for the pipeline's steps, in the form in which TFX's are compiled."""
    spec: dict[str, Any] = {
        "pipelineInfo": {"name": config.name},
        "schemaVersion": "2.1.0",
        "components": {},
        "deploymentSpec": {"executors": {}},
        "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {}}},
    }
    for name, default in (("data", config.input_base), ("models", config.models), ("range_config", "")):
        spec["root"]["inputDefinitions"]["parameters"][name] = {
            "parameterType": "STRING", "isOptional": True, "defaultValue": default,
        }  # fmt: skip
    inputs_of = {}
    for name, (inputs, outputs) in WIRES.items():
        wired = {NAMES.get(wire, wire.partition(".")[2]): wire.split(".") for wire in inputs}
        inputs_of[name] = {
            "artifacts": {key: {"artifactType": {"instanceSchema": "title: tfx.File"}} for key in wired}
        }
        task: dict[str, Any] = {
            "componentRef": {"name": name},
            "taskInfo": {"name": name},
            "dependentTasks": sorted({producer for producer, _ in wired.values()}),
            "cachingOptions": {} if name in ("DataGate", "Pusher") else {"enableCache": True},
            "inputs": {
                "artifacts": {
                    key: {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": output}}
                    for key, (producer, output) in wired.items()
                },
                "parameters": {},
            },
        }
        if name == "Trainer":
            task["dependentTasks"].append("DataGate")
        spec["root"]["dag"]["tasks"][name] = task
        spec["components"][name] = {
            "executorLabel": f"{name}_executor",
            "inputDefinitions": {**inputs_of[name], "parameters": {}},
            "outputDefinitions": {
                "artifacts": {key: {"artifactType": {"instanceSchema": "title: tfx.File"}} for key in outputs}
            },
        }
        arguments = ["--step", name, "--workspace", str(config.workspace), "--step-name", name]
        arguments += ["--json_serialized_invocation_args", "{{$}}"]
        arguments += ["--json_serialized_inputs_spec_args", json.dumps(inputs_of[name])]
        spec["deploymentSpec"]["executors"][f"{name}_executor"] = {
            "container": {"image": IMAGE, "command": ["python", "-m", "night_steps"], "args": arguments}
        }
    give(spec, "ExampleGen", input_base={"componentInputParameter": "data"})
    pattern = json.dumps({"splits": [{"name": "all", "pattern": config.kubeflow.pattern}]})
    give(spec, "ExampleGen", input_config={"runtimeValue": {"constant": pattern}})
    give(spec, "ExampleGen", range_config={"componentInputParameter": "range_config"})
    give(spec, "Pusher", push_destination={"componentInputParameter": "models"})
    give(spec, "Pusher", run={"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}})
    add_look_and_report(spec, settings_of(config))
    for name in (LOOK, REPORT):
        spec["deploymentSpec"]["executors"][f"{name}_executor"]["container"]["image"] = IMAGE
    platforms = platforms_of(spec, config.kubeflow)
    group(spec)
    return Package(spec, platforms)


def give(spec: dict[str, Any], step: str, **parameters: Any) -> None:
    for name, source in parameters.items():
        spec["root"]["dag"]["tasks"][step]["inputs"]["parameters"][name] = source
        spec["components"][step]["inputDefinitions"]["parameters"][name] = {"parameterType": "STRING"}


class Nights:
    """A workspace on a claim, and runs of the pipeline in it."""

    def __init__(self, folder: Path, image: Path, lacking: set[str], **settings: Any):
        self.folder = folder
        self.data, claim = folder / "data", folder / "claim"
        self.workspace = claim / "nights"
        self.data.mkdir(parents=True)
        shutil.copytree(image, folder / "app")
        shutil.copyfile(Path(__file__).parent / "night_steps.py", folder / "app" / "night_steps.py")
        content = {
            "name": "nights", "data": str(self.data), "workspace": str(self.workspace),
            "retrain": {"settle_s": 0, **settings.pop("retrain", {})},
            "kubeflow": {"pattern": "span-{SPAN:6}/*", **settings.pop("kubeflow", {})}, **settings,
        }  # fmt: skip
        self.config = Config.model_validate(content)
        self.package = package(self.config)
        self.package.write(folder / "nights.yaml")
        self.trainings_file = claim / "trainings"
        environment = {"TRAININGS": str(self.trainings_file)}
        claims = {"nsynth-data": self.data, "nsynth-models": claim}
        self.cluster = Cluster(folder / "app", folder / "cluster", lacking, environment, claims)

    def deliver(self, number: int, kind: str = "good", name: str = "") -> None:
        span = self.data / (name or f"span-{number:06d}")
        span.mkdir(exist_ok=True)
        (span / "kind.txt").write_text(kind)
        time.sleep(0.01)  # the next delivery of the same name is a younger one

    def run(self, **parameters: Any) -> dict[str, Task]:
        return self.cluster.run(self.folder / "nights.yaml", parameters, stop_on_error=False)

    @property
    def rounds(self) -> list[Round]:
        return Ledger(self.workspace / "retrain" / "rounds.jsonl").rounds()

    @property
    def trainings(self) -> int:
        return len(self.trainings_file.read_text()) if self.trainings_file.exists() else 0

    @property
    def versions(self) -> list[str]:
        folder = self.workspace / "models"
        return [path.name for path in folder.iterdir() if path.name.isdecimal()] if folder.exists() else []

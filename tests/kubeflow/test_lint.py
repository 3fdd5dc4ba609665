"""Each rule on what KFP's backend refuses: a good spec passes, one that was broken in one place is told so."""

import copy
import os
from collections.abc import Callable
from typing import Any

import pytest

from kubeflow.lint import problems
from kubeflow.package import Package


def container(step: str) -> dict[str, Any]:
    return {
        "image": "registry.example/nsynth:1",
        "command": ["python", "-m", "kubeflow.entrypoint"],
        "args": ["--step", step, "{{$}}"],
        "resources": {
            "cpuLimit": 2.0,
            "resourceMemoryLimit": "8Gi",
            "accelerator": {"type": "t", "count": "1"},
        },
    }


GOOD = Package(
    {
        "pipelineInfo": {"name": "nsynth"},
        "schemaVersion": "2.1.0",
        "components": {
            "Gen": {
                "executorLabel": "gen",
                "inputDefinitions": {"parameters": {"input_base": {"parameterType": "STRING"}}},
                "outputDefinitions": {
                    "artifacts": {"examples": {"artifactType": {"instanceSchema": "title: tfx.Examples"}}},
                    "parameters": {"count": {"parameterType": "NUMBER_INTEGER"}},
                },
            },
            "Use": {
                "executorLabel": "use",
                "inputDefinitions": {
                    "artifacts": {"examples": {"artifactType": {"instanceSchema": "title: tfx.Examples"}}},
                    "parameters": {"count": {"parameterType": "NUMBER_INTEGER"}},
                },
            },
        },
        "deploymentSpec": {
            "executors": {"gen": {"container": container("Gen")}, "use": {"container": container("Use")}}
        },
        "root": {
            "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING", "defaultValue": "/data"}}},
            "dag": {
                "tasks": {
                    "Gen": {
                        "componentRef": {"name": "Gen"},
                        "inputs": {"parameters": {"input_base": {"componentInputParameter": "data"}}},
                    },
                    "Use": {
                        "componentRef": {"name": "Use"},
                        "dependentTasks": ["Gen"],
                        "inputs": {
                            "artifacts": {
                                "examples": {
                                    "taskOutputArtifact": {
                                        "producerTask": "Gen", "outputArtifactKey": "examples",
                                    }
                                }
                            },
                            "parameters": {
                                "count": {
                                    "taskOutputParameter": {
                                        "producerTask": "Gen", "outputParameterKey": "count",
                                    }
                                }
                            },
                        },
                    },
                }
            },
        },
    },
    {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"gen": {"nodeSelector": {}}}}}}},
)  # fmt: skip


def tasks(spec: dict) -> dict:
    return spec["root"]["dag"]["tasks"]


def box(spec: dict) -> dict:
    return spec["deploymentSpec"]["executors"]["gen"]["container"]


def use_inputs(spec: dict) -> dict:
    return tasks(spec)["Use"]["inputs"]


BREAKS: dict[str, tuple[Callable[[dict], Any], str]] = {
    "schema 2.0": (lambda s: s.update(schemaVersion="2.0.0"), "schema version 2.0.0"),
    "name": (lambda s: s["pipelineInfo"].update(name="NSynth_1"), "pipeline name"),
    "unknown field": (lambda s: s.update(colour="red"), "not a PipelineSpec"),
    "no default": (
        lambda s: s["root"]["inputDefinitions"]["parameters"]["data"].pop("defaultValue"),
        "parameter data has no default",
    ),
    "no parameter": (lambda s: s["root"].pop("inputDefinitions"), "no parameter data"),
    "no value": (lambda s: tasks(s)["Gen"].pop("inputs"), "Gen.input_base: neither value nor default"),
    "no component": (lambda s: s["components"].pop("Use"), "Use: its component is missing"),
    "dangling producer": (
        lambda s: use_inputs(s)["parameters"]["count"]["taskOutputParameter"].update(producerTask="Gen_task"),
        "producer Gen_task is no task",
    ),
    "no such artifact": (
        lambda s: use_inputs(s)["artifacts"]["examples"]["taskOutputArtifact"].update(outputArtifactKey="x"),
        "Gen has no output x",
    ),
    "no such parameter": (
        lambda s: use_inputs(s)["parameters"]["count"]["taskOutputParameter"].update(outputParameterKey="x"),
        "Gen has no output x",
    ),
    "unknown dependency": (lambda s: tasks(s)["Use"].update(dependentTasks=["Other"]), "waits for Other"),
    "circle": (lambda s: tasks(s)["Gen"].update(dependentTasks=["Use"]), "wait for one another"),
    "no executor": (lambda s: s["components"]["Gen"].update(executorLabel="x"), "Gen: no executor x"),
    "resolver": (
        lambda s: s["deploymentSpec"]["executors"].update(gen={"resolver": {}}),
        "executors of kind resolver are not implemented",
    ),
    "TFX's image": (lambda s: box(s).update(image="gcr.io/tfx-oss-public/tfx:1.21.0"), "not one of ours"),
    "no image": (lambda s: box(s).pop("image"), "not one of ours"),
    "no command": (lambda s: box(s).pop("command"), "no command"),
    "hook": (lambda s: box(s).update(lifecycle={"preCacheCheck": {}}), "lifecycle"),
    "secret by value": (
        lambda s: box(s).update(env=[{"name": "PASSWORD", "value": "hunter2"}]),
        "environment by value",
    ),
    "quantity": (
        lambda s: box(s)["resources"].update(resourceMemoryLimit="8GB"),
        "not a Kubernetes quantity",
    ),
    "zero": (lambda s: box(s)["resources"].update(cpuLimit=0.0), "must be more than 0"),
    "twins": (
        lambda s: s["deploymentSpec"]["executors"].update(use={"container": box(s)}),
        "Use and Gen run the same container",
    ),
    "path of this machine": (
        lambda s: box(s)["args"].append(f"--file={os.getcwd()}/x"),
        "path of this machine",
    ),
}


def test_a_good_spec_has_no_problems() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_spec_is_told(name: str) -> None:
    damage, expected = BREAKS[name]
    spec = copy.deepcopy(GOOD.spec)
    damage(spec)
    assert [p for p in problems(Package(spec, GOOD.platforms)) if expected in p]


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [
        ({"platforms": {"mesos": {}}}, "KFP knows kubernetes alone"),
        ({"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"x": {}}}}}}, "x is no executor"),
        (
            {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"gen": {"pvc": []}}}}}},
            "unknown key pvc",
        ),
    ],
)
def test_a_broken_platform_is_told(platforms: dict, expected: str) -> None:
    assert [p for p in problems(Package(GOOD.spec, platforms)) if expected in p]

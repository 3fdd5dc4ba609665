"""Puts the pipeline's tasks between Look and Report, in the form to which Kubeflow's SDK compiles conditions.

Retraining            what the SDK calls an exit handler
  Look                is there anything to do?
  NewData             a condition: all tasks of the pipeline
Report                always runs
"""

import json
from typing import Any

from kubeflow.entrypoint import INPUTS_SPEC
from kubeflow.executor_input import CACHE_KEYS

Spec = dict[str, Any]

LOOK, REPORT, EVERYTHING, CONDITION = "Look", "Report", "Retraining", "NewData"
RUN = {"run": "{{$.pipeline_job_uuid}}", "run_name": "{{$.pipeline_job_name}}"}
LOOK_OUTPUTS = {
    **dict.fromkeys(("go", "range_config", "input_config", "seen_data", "seen_models", "lift"), "STRING"),
    "serving": "NUMBER_INTEGER",
}
"""Name → type."""
_CHANNEL = "pipelinechannel--"
SPAN_STEP = "ExampleGen"
SEEN = {
    SPAN_STEP: {"seen": "seen_data"},
    "WarmStart": {"version": "serving"},
    "Predictor": {"version": "serving", "seen": "seen_models"},
}
"""Step that reads what lies outside of the pipeline → its parameter → Look's output that tells what it is to read, or
changes whenever that does. Where the step reads what it is told, nothing that happens after Look gets into its result,
which is cached under these parameters."""
_PAGES = {"page": "system.HTML", "figures": "system.Metrics", "confusion": "system.ClassificationMetrics"}


def add_look_and_report(spec: Spec, settings: str) -> None:
    """Add both as tasks, and let the steps take what Look finds.

    Args:
      spec: compiled by TFX, with the run's parameters.
      settings: the configuration, for both.
    """
    tasks = spec["root"]["dag"]["tasks"]
    declared = spec["root"]["inputDefinitions"]["parameters"]
    declared["force"] = {"parameterType": "BOOLEAN", "isOptional": True, "defaultValue": False}
    ingest = tasks[SPAN_STEP]["inputs"]["parameters"]
    given: Spec = {name: {"componentInputParameter": name} for name in ("data", "models")}
    given |= {name: {"runtimeValue": {"constant": value}} for name, value in RUN.items()}
    asked = {name: {"componentInputParameter": name} for name in ("range_config", "force")}
    asked["input_config"] = ingest["input_config"]
    for key in ("range_config", "input_config"):
        ingest[key] = _found(key)
    for name, task in tasks.items():
        if task["cachingOptions"]:
            _tell(spec, task, "lift", "lift")
        for parameter, found in SEEN.get(name, {}).items():
            _tell(spec, task, parameter, found)
    outputs = {"parameters": {name: {"parameterType": kind} for name, kind in LOOK_OUTPUTS.items()}}
    _add(spec, LOOK, "kubeflow.look", settings, given | asked, outputs)
    pages = {
        key: {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}}
        for key, title in _PAGES.items()
    }
    status = {"status": {"taskFinalStatus": {"producerTask": EVERYTHING}}}
    _add(spec, REPORT, "kubeflow.report", settings, given | status, {"artifacts": pages})


def _found(key: str) -> Spec:
    return {"taskOutputParameter": {"producerTask": LOOK, "outputParameterKey": key}}


def _tell(spec: Spec, task: Spec, name: str, found: str) -> None:
    """Give a task what Look has found as a parameter; some only Kubeflow's cache looks at (CACHE_KEYS)."""
    kind = {"parameterType": LOOK_OUTPUTS[found]}
    task.setdefault("inputs", {}).setdefault("parameters", {})[name] = _found(found)
    component = spec["components"][task["componentRef"]["name"]]
    component.setdefault("inputDefinitions", {}).setdefault("parameters", {})[name] = kind
    if name not in CACHE_KEYS:  # TFX's command is told the types: of others, a number is a float
        args = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
        place = args.index(INPUTS_SPEC) + 1
        declared = json.loads(args[place])
        declared.setdefault("parameters", {})[name] = kind
        args[place] = json.dumps(declared, sort_keys=True)


def _add(spec: Spec, name: str, module: str, settings: str, given: Spec, outputs: Spec) -> None:
    types = {"force": "BOOLEAN", "status": "TASK_FINAL_STATUS"}
    inputs: Spec = {key: {"parameterType": types.get(key, "STRING")} for key in given}
    if "status" in inputs:
        inputs["status"]["isOptional"] = True
    label = f"{name}_executor"
    spec["components"][name] = {
        "executorLabel": label,
        "inputDefinitions": {"parameters": inputs},
        "outputDefinitions": outputs,
    }
    command = {
        "command": ["python", "-m", module],
        "args": ["--settings", settings, "--executor_input", "{{$}}"],
    }
    spec["deploymentSpec"]["executors"][label] = {"container": command}
    spec["root"]["dag"]["tasks"][name] = {
        "cachingOptions": {},
        "componentRef": {"name": name},
        "inputs": {"parameters": given},
        "taskInfo": {"name": name},
    }


def group(spec: Spec) -> None:
    """Move all tasks but Look and Report into a condition, and that with Look into what Report waits for."""
    tasks = spec["root"]["dag"]["tasks"]
    look, report = tasks.pop(LOOK), tasks.pop(REPORT)
    condition = _into_group(spec, CONDITION, tasks)
    channel = f"{_CHANNEL}{LOOK}-go"
    condition["inputs"]["parameters"][channel] = _found("go")
    spec["components"][CONDITION]["inputDefinitions"]["parameters"][channel] = {"parameterType": "STRING"}
    condition["dependentTasks"] = [LOOK]
    condition["triggerPolicy"] = {"condition": f"inputs.parameter_values['{channel}'] == 'yes'"}
    everything = _into_group(spec, EVERYTHING, {LOOK: look, CONDITION: condition})
    report["dependentTasks"] = [EVERYTHING]
    report["triggerPolicy"] = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    spec["root"]["dag"]["tasks"] = {EVERYTHING: everything, REPORT: report}


def _into_group(spec: Spec, name: str, tasks: Spec) -> Spec:
    """Make a component of the tasks and answer the task that runs it; what comes from outside becomes its inputs."""
    channels: Spec = {}
    for task in tasks.values():
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            produced = source.get("taskOutputParameter")
            if produced and produced["producerTask"] not in tasks:
                channel = f"{_CHANNEL}{produced['producerTask']}-{produced['outputParameterKey']}"
            elif "componentInputParameter" in source:
                channel = f"{_CHANNEL}{source['componentInputParameter'].removeprefix(_CHANNEL)}"
            else:
                continue
            channels[channel] = dict(source)
            task["inputs"]["parameters"][key] = {"componentInputParameter": channel}
    types = {f"{_CHANNEL}{LOOK}-{name}": kind for name, kind in LOOK_OUTPUTS.items()}
    types[f"{_CHANNEL}force"] = "BOOLEAN"
    spec["components"][name] = {
        "dag": {"tasks": tasks},
        "inputDefinitions": {
            "parameters": {channel: {"parameterType": types.get(channel, "STRING")} for channel in channels}
        },
    }
    return {"componentRef": {"name": name}, "inputs": {"parameters": channels}, "taskInfo": {"name": name}}


def all_tasks(spec: Spec) -> Spec:
    """Tasks of all groups that run a container, by name."""
    found: Spec = {}
    ahead = [spec["root"]["dag"]]
    while ahead:
        for name, task in ahead.pop()["tasks"].items():
            component = spec["components"].get(task.get("componentRef", {}).get("name"), {})
            if "dag" in component:
                ahead.append(component["dag"])
            else:
                found[name] = task
    return found

"""What each step gets on the cluster: image, command line, resources, retries, and what only Kubernetes knows."""

from typing import Any

from kubeflow.options import KubeflowOptions, StepOptions, quantity
from kubeflow.package import Target

Spec = dict[str, Any]


def container_of(spec: Spec, task: Spec) -> Spec:
    """Return the container of a task, to be changed in place."""
    label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
    return spec["deploymentSpec"]["executors"][label]["container"]


def set_resources(container: Spec, step: StepOptions, target: Target) -> None:
    """Request what is also the limit, so that the step is never starved and never evicted first."""
    assert step.cpu
    assert step.memory
    resources: Spec = {"cpuLimit": quantity(step.cpu), "memoryLimit": quantity(step.memory) / 1e9}
    if target == "kfp":  # the strings, for newer backends; the numbers (GB), for older ones
        resources |= {"cpuRequest": resources["cpuLimit"], "memoryRequest": resources["memoryLimit"]}
        resources |= {"resourceCpuLimit": step.cpu, "resourceCpuRequest": step.cpu}
        resources |= {"resourceMemoryLimit": step.memory, "resourceMemoryRequest": step.memory}
    if step.gpus:
        accelerator = {"type": step.gpu_type, "count": str(step.gpus)}
        if target == "kfp":
            accelerator |= {"resourceType": step.gpu_type, "resourceCount": str(step.gpus)}
        resources["accelerator"] = accelerator
    container["resources"] = resources


def set_retries(task: Spec, step: StepOptions, options: KubeflowOptions) -> None:
    """TFX sets no policy: a lost node would fail the whole run."""
    if step.retries:
        task["retryPolicy"] = {
            "maxRetryCount": step.retries,
            "backoffDuration": f"{options.retry_after_s}s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
        }


def tell_entrypoint(
    name: str, container: Spec, target: Target, options: KubeflowOptions, workspace: str | None
) -> None:
    """Give our command the step, the place of artifacts, and the driver, which TFX puts into a hook of Vertex AI."""
    args = ["--step", name]
    if target == "kfp" and workspace:
        args += ["--workspace", workspace]
        if options.artifacts != "store":
            args += ["--artifacts", "claim"]
    if target == "kfp" and (hook := container.pop("lifecycle", {}).get("preCacheCheck")):
        args += ["--driver", hook["command"][-1]]
    container["args"] = [*args, *container["args"]]


def platforms_of(spec: Spec, options: KubeflowOptions) -> Spec:
    """KFP's second document: what only Kubernetes knows.

    In the plain form (`constant`, `secretName`), which every 2.x backend reads.
    """
    executors = {}
    for name, task in spec["root"]["dag"]["tasks"].items():
        step = options.step(name)
        label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
        executor: Spec = {
            "pvcMount": [{"constant": claim, "mountPath": path} for claim, path in options.volumes.items()],
            "secretAsEnv": [
                {"secretName": ref.name, "keyToEnv": [{"secretKey": ref.key, "envVar": variable}]}
                for variable, ref in options.secrets.items()
            ],
            "configMapAsEnv": [
                {"configMapName": ref.name, "keyToEnv": [{"configMapKey": ref.key, "envVar": variable}]}
                for variable, ref in options.config_maps.items()
            ],
            "nodeSelector": {"labels": step.node_selector} if step.node_selector else None,
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in step.tolerates or ()
            ],
            "imagePullSecret": [{"secretName": options.image_pull_secret}]
            if options.image_pull_secret
            else None,
            "activeDeadlineSeconds": str(step.timeout_s) if step.timeout_s else None,
        }
        if present := {key: value for key, value in executor.items() if value}:
            executors[label] = present
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}} if executors else {}

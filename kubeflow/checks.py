"""What can be refused before anything slow is imported or anybody is contacted."""

import re
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

import nsynth
from components.remote.address import is_web
from kubeflow.options import EVERY_STEP, KubeflowOptions
from kubeflow.package import Target

OWN_POD = ("local", "local-parallel")
"""Engines that do all of a step's work where the step runs."""
SPAN_PATTERNS = ("span-{SPAN}/", "span-{SPAN:6}/")
NOT_ON_A_CLUSTER = {
    "holdout": "the pipeline on a cluster judges on the valid split of the span",
    "newest_margin": "the pipeline on a cluster judges on the valid split of the span alone",
    "fresh_every": "training on a cluster starts from the serving model if recipe.warm_start is set, else afresh",
    "drift": "the pipeline on a cluster has no step Drift; DataGate measures drift (data_gate.drift)",
    "time_limit_s": "set kubeflow.steps.<step>.timeout_s",
    "retry": "set kubeflow.steps.<step>.retries",
}
"""Setting of `retrain` → what holds on a cluster instead."""
VERTEX_BUCKETS = "/gcs"
"""Below this folder Vertex AI shows every bucket."""


def check_config(config: Any, target: Target) -> None:
    """Make sure that the steps can run elsewhere.

    Args:
      config: pipeline.config.Config.
      target: where they run.

    Raises:
      nsynth.UserError: a folder is on this machine alone, or an option has no counterpart there.
    """
    _check_engine(config, target)
    _check_places(config, target)
    if target == "kfp":
        _check_pattern(config.kubeflow.pattern, config.input_base)
        _check_retraining(config)
    if target == "vertex":
        refuse_what_vertex_lacks(config.kubeflow)


def _check_pattern(pattern: str, data: str) -> None:
    """Refuse other patterns: the first step looks for span folders by their names."""
    if "{SPAN" in pattern and is_web(data):
        raise nsynth.UserError(
            f"kubeflow.pattern = {pattern}: a web server cannot list folders, so no spans are found at data = {data}. "
            "Give a folder or an address in a bucket, or a pattern without {SPAN}"
        )
    if "{SPAN" in pattern and not pattern.startswith(SPAN_PATTERNS):
        raise nsynth.UserError(
            f"kubeflow.pattern = {pattern}: span folders are found by the names span-000001, span-000002 …; write "
            "span-{SPAN:6}/* (or span-{SPAN}/* for span-1, span-2 …)"
        )


def _check_retraining(config: Any) -> None:
    """Retraining settings that the compiled graph, with its one span, would quietly leave out."""
    retrain = config.retrain
    for key, instead in NOT_ON_A_CLUSTER.items():
        fields = type(retrain).model_fields
        if key in retrain.model_fields_set and getattr(retrain, key) != fields[key].default:
            raise nsynth.UserError(f"retrain.{key}: {instead}. Remove it from the settings for the cluster")
    if retrain.window != 1 and "window" in retrain.model_fields_set:
        raise nsynth.UserError(
            f"retrain.window = {retrain.window}: a run on the cluster trains on one span, "
            "since the graph is fixed when it is compiled. Set 1, or leave it out"
        )
    if retrain.spans is not None and str(retrain.spans) != config.input_base:
        raise nsynth.UserError(
            f"retrain.spans = {retrain.spans}: on the cluster spans are read from data; leave it out"
        )
    addresses = [hook for group in retrain.hooks.values() for hook in group if _is_open_address(hook)]
    addresses += [
        address for address in retrain.watcher.model_dump().values() if address and _is_open_address(address)
    ]
    if addresses:
        raise nsynth.UserError(
            "retrain.hooks, retrain.watcher: such an address is a secret, but users of Kubeflow can read the compiled "
            "pipeline. Write the secret part as ${NAME} and set its Secret in kubeflow.secrets.NAME"
        )


def _is_open_address(hook: str) -> bool:
    return hook.lower().startswith(("http://", "https://")) and not re.search(r"\$\{\w+\}", hook)


def _check_engine(config: Any, target: Target) -> None:
    engine = config.engine
    if engine.runner in OWN_POD:
        return
    own = " or ".join(OWN_POD)
    if engine.runner != "flink" or target != "kfp" or config.kubeflow.artifacts == "store":
        raise nsynth.UserError(
            f"engine.runner = {engine.runner}: its workers would not see the folders in which a step on the cluster "
            f"keeps its artifacts. Set {own}; or, on Kubeflow, flink with kubeflow.artifacts = claim"
        )
    if not engine.flink.job_endpoint:
        raise nsynth.UserError(
            "engine.flink.job_server_jar: the steps' image has no Java. Set engine.flink.job_endpoint, for example "
            "beam-job-server:8099 of kubeflow/manifests/flink"
        )
    workers = engine.flink.workers
    if not (workers.environment == "external" or (workers.command and workers.python)):
        raise nsynth.UserError(
            f"engine.flink.workers.environment = {workers.environment}: Flink would start workers that see no claim, "
            "or by a path of this machine. Set external with pool, as in kubeflow/manifests/flink, or process with "
            "command and python"
        )


def _check_places(config: Any, target: Target) -> None:
    mounts = list(config.kubeflow.volumes.values()) if target == "kfp" else [VERTEX_BUCKETS]
    places = {
        "data": config.input_base,
        "push.destination": config.models,
        "workspace": str(config.workspace),  # a path: checkpoints are written there as the training goes
    }
    for key, place in places.items():
        if any(PurePosixPath(normpath(place)).is_relative_to(mount) for mount in mounts):
            continue
        if "://" in place and not place.startswith("minio://"):  # KFP's own scheme, which no step can open
            continue
        allowed = [f"a folder below {mount}" for mount in mounts]
        if key != "workspace":
            allowed.append("an address such as gs://bucket/folder")
        raise nsynth.UserError(f"{key} = {place}: the cluster needs {' or '.join(allowed)}")


def refuse_what_vertex_lacks(options: KubeflowOptions) -> None:
    """Kubernetes' part of the options has no counterpart on Vertex AI.

    Raises:
      nsynth.UserError: something of it is set.
    """
    if options.secrets or options.config_maps:
        raise nsynth.UserError(
            "Vertex AI has no Secrets or ConfigMaps: clear kubeflow.secrets and .config_maps"
        )
    if not options.pipeline_root.startswith("gs://"):
        raise nsynth.UserError(
            f"kubeflow.pipeline_root = {options.pipeline_root}: Vertex AI needs a gs:// address"
        )
    if options.artifacts == "claim":
        raise nsynth.UserError("Vertex AI mounts no claims: set kubeflow.artifacts to store or leave it out")
    for name in (*options.steps, EVERY_STEP):
        step = options.step(name)
        if step.node_selector or step.tolerates or step.timeout_s:
            raise nsynth.UserError(
                f"kubeflow.steps.{name}: Vertex AI has no node_selector, tolerates or timeout_s"
            )


def check_host(host: str) -> None:
    """Refuses what is no address.

    Raises:
      nsynth.UserError: it does not begin with http, or has no name of a machine.
    """
    if not re.match(r"https?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d+)?(/|$)", host):
        raise nsynth.UserError(f"{host} is not the address of an API: write it like http://localhost:8080")

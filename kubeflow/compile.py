"""Compiles the pipeline's graph to what a cluster takes.

TFX's compiler aims at Vertex AI. For open-source Kubeflow Pipelines its output is put right here, one function
for each thing that it leaves out or gets wrong; what can only be fixed at run time is in entrypoint.py.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)
from tfx.orchestration.pipeline import Pipeline
from tfx.types.experimental.simple_artifacts import File

import nsynth
from components.claim import Claim
from kubeflow import lint
from kubeflow.checks import check_config, refuse_what_vertex_lacks
from kubeflow.container import (
    Spec,
    container_of,
    platforms_of,
    set_resources,
    set_retries,
    tell_entrypoint,
)
from kubeflow.groups import LOOK, REPORT, RUN, SEEN, SPAN_STEP, add_look_and_report, group
from kubeflow.light import SHIPPED
from kubeflow.options import DEFAULT_STEPS, KubeflowOptions
from kubeflow.package import Package, Target
from pipeline.collector import at_rest

REMOTE_RUNNER = "--runner=PortableRunner"
"""Beam's argument where an engine's workers are on other machines."""
ENTRYPOINT = ("python", "-m", "kubeflow.entrypoint")

RUN_PARAMETERS = {"data": "input_base", "models": "push_destination", "accepted": "accepted_folder"}
"""What may be set anew for each run → the property of the steps that it fills."""
SPAN_PARAMETER = "range_config"
"""Which span ExampleGen reads: TFX's RangeConfig as JSON; empty means the newest."""

PUSH_STEP = "Pusher"


def compile_pipeline(
    pipeline: Pipeline,
    options: KubeflowOptions,
    target: Target = "kfp",
    workspace: str | None = None,
    settings: str = "",
) -> Package:
    """Compiles a TFX pipeline.

    Args:
      pipeline: the graph.
      options: where and how it runs.
      target: open-source Kubeflow Pipelines, or Vertex AI.
      workspace: folder on a volume that all steps mount; without one, artifacts go to the object store.
      settings: the configuration, for Look and Report; without it there are none, and every run trains.

    Raises:
      nsynth.UserError: an option has no counterpart on the target.
    """
    if target == "vertex":
        refuse_what_vertex_lacks(options)
    spec = _compile_with_tfx(pipeline, options)
    _refuse_unknown_steps(options, spec)
    _drop_local_paths(spec, options)
    _connect_dynamic_properties(spec)
    _choose_files(spec, options)
    _offer_run_parameters(spec)
    _name_the_run(spec, options)
    grouped = bool(settings) and target == "kfp"
    for name, task in spec["root"]["dag"]["tasks"].items():
        step = options.step(name)
        # Only where Look has seen what a step reads does the cache's key notice that it has changed.
        seen = name in SEEN and grouped and step_is_cacheable(options, name)
        task["cachingOptions"] = {"enableCache": True} if step.cache or seen else {}
    if grouped:
        add_look_and_report(spec, settings)
    for name, task in spec["root"]["dag"]["tasks"].items():
        step = options.step(name)
        container = container_of(spec, task)
        container["image"] = step.image or options.image
        set_resources(container, step, target)
        set_retries(task, step, options)
        if name not in (LOOK, REPORT):
            tell_entrypoint(name, container, target, options, workspace)
    platforms = platforms_of(spec, options)
    if grouped:
        group(spec)
    if target == "vertex":
        return Package(_vertex_job(spec, options), {})
    return Package(spec, platforms)


def step_is_cacheable(options: KubeflowOptions, name: str) -> bool:
    """Whether the user leaves the cache on for a step."""
    step = options.steps.get(name)
    return step is None or step.cache is not False


def _compile_with_tfx(pipeline: Pipeline, options: KubeflowOptions) -> Spec:
    config = KubeflowV2DagRunnerConfig(
        default_image=options.image,
        default_commands=list(ENTRYPOINT),
        use_pipeline_spec_2_1=True,  # the only version that open-source KFP takes
    )
    with _own_artifact_types_as_files():
        job = KubeflowV2DagRunner(config).run(pipeline, write_out=False)
    return job["pipelineSpec"]


@contextlib.contextmanager
def _own_artifact_types_as_files() -> Iterator[None]:
    """Lets artifact types of our own pass as TFX's plain `File`.

    TFX refuses their names and, in the container, would look for a class of that name. Our executors use their
    folders and custom properties alone, which a `File` has too.
    """
    known = compiler_utils.get_artifact_schema
    own = compiler_utils._SUPPORTED_STANDARD_ARTIFACT_TYPES

    with mock.patch.object(
        compiler_utils, "get_artifact_schema", lambda type_: known(type_ if type_ in own else File)
    ):
        yield


def _refuse_unknown_steps(options: KubeflowOptions, spec: Spec) -> None:
    """Refuse a misspelt step, which would quietly get what `default` gives."""
    known = {*spec["root"]["dag"]["tasks"], *DEFAULT_STEPS}
    if unknown := set(options.steps) - known:
        raise nsynth.UserError(
            f"kubeflow.steps: no step {', '.join(sorted(unknown))} (there are: {', '.join(sorted(known))})"
        )


def _drop_local_paths(spec: Spec, options: KubeflowOptions) -> None:
    """Replace the set-up file or wheel, a path of this machine, by the image, which holds our code.

    Workers of an engine on other machines are sent the wheel in the step's image, so that both run the same code.
    """
    for executor in spec["deploymentSpec"]["executors"].values():
        container = executor.get("container", {})
        for part in (container, container.get("lifecycle", {}).get("preCacheCheck", {})):
            args = part.get("args", [])
            elsewhere = REMOTE_RUNNER in args
            packaged = SHIPPED if elsewhere else f"--sdk_container_image={options.image}"
            part["args"] = [
                packaged if arg.startswith(("--setup_file=", "--extra_package=")) else arg for arg in args
            ]


def _connect_dynamic_properties(spec: Spec) -> None:
    """Names the producer of a property that is known at run time: TFX writes `X_task` for the task X."""
    tasks = spec["root"]["dag"]["tasks"]
    for task in tasks.values():
        for parameter in task.get("inputs", {}).get("parameters", {}).values():
            source = parameter.get("taskOutputParameter", {})
            name = source.get("producerTask", "").removesuffix("_task")
            if name in tasks:
                source["producerTask"] = name


def _choose_files(spec: Spec, options: KubeflowOptions) -> None:
    """Set the pattern of every split that ExampleGen is to read."""
    task = spec["root"]["dag"]["tasks"].get(SPAN_STEP)
    if task and options.pattern != "*":
        constant = task["inputs"]["parameters"]["input_config"]["runtimeValue"]
        config = json.loads(constant["constant"])
        for split in config["splits"]:
            split["pattern"] = options.pattern
        constant["constant"] = json.dumps(config)


def _offer_run_parameters(spec: Spec) -> None:
    """Make parameters of the run, each with its default, of properties that would be constants."""
    declared = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    tasks = spec["root"]["dag"]["tasks"]
    for parameter, property_name in RUN_PARAMETERS.items():
        for name, task in tasks.items():
            inputs = task.get("inputs", {}).get("parameters", {})
            if property_name in inputs and (
                parameter != "data" or name == SPAN_STEP
            ):  # no other folder's step
                default = inputs[property_name]["runtimeValue"]["constant"]
                declared[parameter] = _text_parameter(default)
                inputs[property_name] = {"componentInputParameter": parameter}
    if SPAN_STEP in tasks:
        declared[SPAN_PARAMETER] = _text_parameter("")
        inputs = tasks[SPAN_STEP].setdefault("inputs", {}).setdefault("parameters", {})
        inputs[SPAN_PARAMETER] = {"componentInputParameter": SPAN_PARAMETER}
        component = spec["components"][tasks[SPAN_STEP]["componentRef"]["name"]]
        component["inputDefinitions"]["parameters"][SPAN_PARAMETER] = {"parameterType": "STRING"}
    if not declared:
        del spec["root"]["inputDefinitions"]


def _name_the_run(spec: Spec, options: KubeflowOptions) -> None:
    """Tells the step that pushes which run it is in: the driver replaces a constant that is just a placeholder."""
    task = spec["root"]["dag"]["tasks"].get(PUSH_STEP)
    if task is None:
        return
    component = spec["components"][task["componentRef"]["name"]]
    for name, value in {**RUN, "host": options.host or ""}.items():
        task["inputs"]["parameters"][name] = {"runtimeValue": {"constant": value}}
        component["inputDefinitions"]["parameters"][name] = {"parameterType": "STRING", "isOptional": True}


def _text_parameter(default: str) -> Spec:
    return {"parameterType": "STRING", "isOptional": True, "defaultValue": default}


def _vertex_job(spec: Spec, options: KubeflowOptions) -> Spec:
    return {
        "displayName": spec["pipelineInfo"]["name"],
        "pipelineSpec": spec,
        "runtimeConfig": {"gcsOutputDirectory": options.pipeline_root, "parameterValues": {}},
    }


def compile_config(config: Any, target: Target = "kfp") -> Package:
    """Compiles the whole pipeline of a configuration and checks that the cluster would take it.

    Args:
      config: pipeline.config.Config.
      target: open-source Kubeflow Pipelines, or Vertex AI.

    Raises:
      nsynth.UserError: the configuration does not fit the cluster, or the backend would refuse the result.
    """
    from kubeflow.rounds import settings_of

    with at_rest():
        from pipeline.graph import create_pipeline  # it imports every component

    check_config(config, target)
    # By default the indexes of ingest would go with the run, or even with the pod.
    if target == "kfp" and not config.ingest.cache_dir:
        kept = config.ingest.model_copy(update={"cache_dir": str(Claim(config.workspace).root / "cache")})
        config = config.model_copy(update={"ingest": kept})
    pipeline = create_pipeline(config, config.kubeflow.pipeline_root)
    settings = settings_of(config) if target == "kfp" else ""
    package = compile_pipeline(pipeline, config.kubeflow, target, str(config.workspace), settings)
    if target == "kfp":
        lint.refuse(package, "this")
    return package

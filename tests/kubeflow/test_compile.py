"""What compilation adds to and mends in TFX's output, on a small pipeline and on the real graph."""

import json
import sys
from typing import Any

import pytest
import yaml
from conftest import OPTIONS
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from small_pipeline import small_pipeline
from tfx.dsl.component.experimental.annotations import OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration.pipeline import Pipeline

import nsynth
from kubeflow import lint
from kubeflow.compile import compile_pipeline
from kubeflow.light import SHIPPED
from kubeflow.options import KubeflowOptions
from kubeflow.package import Package

pytestmark = pytest.mark.slow


@component
def Answer() -> OutputDict(answer=int):  # type: ignore[valid-type]
    return {"answer": 42}


@component
def Listen(answer: Parameter[int]):
    print(answer)


def container(package: Package, step: str) -> dict[str, Any]:
    return package.spec["deploymentSpec"]["executors"][f"{step}_executor"]["container"]


def task(package: Package, step: str) -> dict[str, Any]:
    return package.spec["root"]["dag"]["tasks"][step]


def platform(package: Package, step: str) -> dict[str, Any]:
    return package.platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"{step}_executor"]


def test_the_backend_would_take_it(small_package: Package) -> None:
    assert lint.problems(small_package) == []
    assert small_package.spec["schemaVersion"] == "2.1.0"


def test_every_step_runs_our_command_under_its_name(small_package: Package) -> None:
    for step in ("ExampleGen", "Count", "Pusher"):
        assert container(small_package, step)["command"] == ["python", "-m", "kubeflow.entrypoint"]
        assert container(small_package, step)["args"][:2] == ["--step", step]


def test_the_driver_moves_from_the_hook_into_the_arguments(small_package: Package) -> None:
    generator = container(small_package, "ExampleGen")
    assert "lifecycle" not in generator
    driver = generator["args"][generator["args"].index("--driver") + 1]
    assert driver == "tfx.orchestration.kubeflow.v2.file_based_example_gen.driver"
    assert "--driver" not in container(small_package, "Count")["args"]


@pytest.mark.parametrize(("artifacts", "on_claim"), [(None, True), ("claim", True), ("store", False)])
def test_artifacts_stay_on_the_claim_unless_they_are_to_go_to_the_store(
    artifacts: str | None, on_claim: bool
) -> None:
    options = OPTIONS.model_copy(update={"artifacts": artifacts})
    package = compile_pipeline(small_pipeline(), options, workspace="/models/small")
    for step in ("ExampleGen", "Count", "Pusher"):
        args = container(package, step)["args"]
        assert args[args.index("--workspace") + 1] == "/models/small"
        assert ("--artifacts" in args) == on_claim


def test_the_set_up_file_of_this_machine_gives_way_to_the_image(small_package: Package) -> None:
    args = container(small_package, "ExampleGen")["args"]
    assert "--sdk_container_image=registry.example/nsynth:1" in args
    assert "--setup_file" not in small_package.text()


def test_workers_on_other_machines_are_sent_the_wheel_of_the_step_s_image() -> None:
    pipeline = small_pipeline(engine=("--runner=PortableRunner",))
    args = container(compile_pipeline(pipeline, OPTIONS), "ExampleGen")["args"]
    assert SHIPPED in args
    assert not [arg for arg in args if arg.startswith(("--setup_file", "--sdk_container_image"))]


def test_the_step_that_pushes_is_told_its_run(small_package: Package) -> None:
    told = task(small_package, "Pusher")["inputs"]["parameters"]
    assert told["run"]["runtimeValue"]["constant"] == "{{$.pipeline_job_uuid}}"
    assert told["run_name"]["runtimeValue"]["constant"] == "{{$.pipeline_job_name}}"
    assert "run" not in task(small_package, "Count").get("inputs", {}).get("parameters", {})


def test_artifact_types_of_our_own_pass_as_files(small_package: Package) -> None:
    components = small_package.spec["components"]
    out = components["Count"]["outputDefinitions"]["artifacts"]["tally"]["artifactType"]["instanceSchema"]
    assert yaml.safe_load(out)["title"] == "tfx.File"
    assert (
        components["Pusher"]["inputDefinitions"]["artifacts"]["tally"]["artifactType"]["instanceSchema"]
        == out
    )


def test_places_and_span_are_parameters_with_defaults(small_package: Package) -> None:
    assert small_package.parameters == {"data": "/data/small", "models": "/models/small", "range_config": ""}
    inputs = task(small_package, "ExampleGen")["inputs"]["parameters"]
    assert inputs["input_base"] == {"componentInputParameter": "data"}
    assert inputs["range_config"] == {"componentInputParameter": "range_config"}
    pusher = task(small_package, "Pusher")["inputs"]["parameters"]
    assert pusher["push_destination"] == {"componentInputParameter": "models"}


def test_what_looks_outside_is_never_cached(small_package: Package) -> None:
    cached = {step: task(small_package, step)["cachingOptions"] for step in ("ExampleGen", "Count", "Pusher")}
    assert cached == {"ExampleGen": {}, "Count": {"enableCache": True}, "Pusher": {}}


def test_retries(small_package: Package) -> None:
    assert task(small_package, "Count")["retryPolicy"] == {
        "maxRetryCount": 1, "backoffDuration": "60s", "backoffFactor": 2.0, "backoffMaxDuration": "3600s",
    }  # fmt: skip
    none = compile_pipeline(
        small_pipeline(), KubeflowOptions.model_validate({"steps": {"default": {"retries": 0}}})
    )
    assert "retryPolicy" not in task(none, "Count")


def test_resources_and_images_per_step(small_package: Package) -> None:
    gpu = container(small_package, "Count")
    assert gpu["image"] == "registry.example/nsynth:1-gpu"
    assert gpu["resources"] == {
        "cpuLimit": 2.0, "cpuRequest": 2.0, "resourceCpuLimit": "2", "resourceCpuRequest": "2",
        "memoryLimit": 17.179869184, "memoryRequest": 17.179869184,
        "resourceMemoryLimit": "16Gi", "resourceMemoryRequest": "16Gi",
        "accelerator": {
            "type": "nvidia.com/gpu", "count": "1", "resourceType": "nvidia.com/gpu", "resourceCount": "1",
        },
    }  # fmt: skip
    assert container(small_package, "Pusher")["image"] == "registry.example/nsynth:1"
    assert container(small_package, "Pusher")["resources"]["resourceMemoryLimit"] == "6Gi"
    assert "accelerator" not in container(small_package, "Pusher")["resources"]


def test_resources_are_written_as_the_sdk_writes_them(small_package: Package) -> None:
    from kfp import compiler, dsl

    @dsl.container_component
    def step():
        return dsl.ContainerSpec(image="x")

    @dsl.pipeline(name="p")
    def pipeline():
        made = (
            step().set_cpu_limit("2").set_cpu_request("2").set_memory_limit("16Gi").set_memory_request("16Gi")
        )
        made.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1).set_retry(1, "60s", 2.0, "3600s")

    del compiler
    spec = json_format.MessageToDict(pipeline.pipeline_spec)
    (executor,) = spec["deploymentSpec"]["executors"].values()
    assert executor["container"]["resources"] == container(small_package, "Count")["resources"]
    assert spec["root"]["dag"]["tasks"]["step"]["retryPolicy"] == task(small_package, "Count")["retryPolicy"]


def test_what_only_kubernetes_knows(small_package: Package) -> None:
    assert platform(small_package, "Count") == {
        "pvcMount": [
            {"constant": "nsynth-data", "mountPath": "/data"},
            {"constant": "nsynth-models", "mountPath": "/models"},
        ],
        "secretAsEnv": [
            {
                "secretName": "object-store",
                "keyToEnv": [{"secretKey": "access-key", "envVar": "AWS_ACCESS_KEY_ID"}],
            }
        ],
        "configMapAsEnv": [
            {
                "configMapName": "object-store",
                "keyToEnv": [{"configMapKey": "endpoint", "envVar": "AWS_ENDPOINT_URL"}],
            }
        ],
        "nodeSelector": {"labels": {"pool": "gpu"}},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "imagePullSecret": [{"secretName": "registry"}],
        "activeDeadlineSeconds": "7200",
    }
    assert "nodeSelector" not in platform(small_package, "Pusher")


def test_kubernetes_part_fits_the_protocol(small_package: Package) -> None:
    pb = pytest.importorskip(
        "kfp.kubernetes.kubernetes_executor_config_pb2", reason="needs the package kfp-kubernetes"
    )
    executors = small_package.platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for executor in executors.values():
        json_format.ParseDict(executor, pb.KubernetesExecutorConfig())


def test_no_second_document_where_there_is_nothing_to_say() -> None:
    package = compile_pipeline(small_pipeline(), KubeflowOptions(volumes={}))
    assert package.platforms == {}
    assert len(list(yaml.safe_load_all(package.text()))) == 1


def test_a_property_known_at_run_time_comes_from_the_step_that_makes_it() -> None:
    answer = Answer().with_id("Answer")
    listen = Listen(answer=answer.outputs["answer"].future()[0].value).with_id("Listen")
    package = compile_pipeline(
        Pipeline("dynamic", "minio://b/r", components=[answer, listen]), KubeflowOptions()
    )
    source = task(package, "Listen")["inputs"]["parameters"]["answer"]["taskOutputParameter"]
    assert source == {"producerTask": "Answer", "outputParameterKey": "answer"}
    assert lint.problems(package) == []


def vertex(**options: Any) -> Package:
    return compile_pipeline(
        small_pipeline(),
        KubeflowOptions.model_validate({"pipeline_root": "gs://b/root", **options}),
        "vertex",
    )


def test_vertex_gets_our_command_and_the_driver_as_the_hook_that_it_knows() -> None:
    spec = vertex().spec["pipelineSpec"]
    generator = spec["deploymentSpec"]["executors"]["ExampleGen_executor"]["container"]
    assert generator["command"] == ["python", "-m", "kubeflow.entrypoint"]
    assert generator["args"][:2] == ["--step", "ExampleGen"]
    assert "--driver" not in generator["args"]
    assert generator["lifecycle"]["preCacheCheck"]["command"][-1].endswith("file_based_example_gen.driver")
    assert "/home/somebody" not in json.dumps(spec)


def test_vertex_ai_sdk_takes_the_job(tmp_path: Any) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    package = vertex(steps={"Count": {"gpus": 1, "gpu_type": "NVIDIA_TESLA_T4"}})
    package.write(tmp_path / "job.yaml")

    def job(**parameters: str) -> Any:
        return aiplatform.PipelineJob(
            display_name="small",
            template_path=str(tmp_path / "job.yaml"),
            parameter_values=parameters,
            project="p",
            location="europe-west4",
            credentials=AnonymousCredentials(),
        )._gca_resource

    with pytest.raises(ValueError, match="nonsense"):  # so its validator is at work
        job(nonsense="1")
    resource = job(data="gs://b/data")
    assert dict(resource.runtime_config.parameter_values)["data"] == "gs://b/data"
    assert resource.runtime_config.gcs_output_directory == "gs://b/root"
    spec = package.spec["pipelineSpec"]
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert spec["deploymentSpec"]["executors"]["Count_executor"]["container"]["resources"]["accelerator"] == {
        "type": "NVIDIA_TESLA_T4", "count": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"secrets": {"KEY": {"name": "a", "key": "b"}}}, "no Secrets"),
        ({"pipeline_root": "minio://b/root"}, "needs a gs:// address"),
        ({"steps": {"Count": {"node_selector": {"a": "b"}}}}, "no node_selector"),
    ],
)
def test_what_vertex_ai_lacks_is_refused(options: dict, expected: str) -> None:
    with pytest.raises(nsynth.UserError, match=expected):
        vertex(**options)


def test_a_step_that_is_not_there_is_refused() -> None:
    options = KubeflowOptions.model_validate({"steps": {"Cuont": {"gpus": 1}}})
    with pytest.raises(nsynth.UserError, match=r"no step Cuont \(there are: .*Count"):
        compile_pipeline(small_pipeline(), options)
    of_the_real_graph = KubeflowOptions.model_validate({"steps": {"WarmStart": {"cpu": "1"}}})
    compile_pipeline(small_pipeline(), of_the_real_graph)


def test_tfx_is_left_as_it_was(small_package: Package) -> None:
    from tfx.orchestration.kubeflow.v2 import compiler_utils

    assert compiler_utils.get_artifact_schema.__name__ == "get_artifact_schema"
    assert OPTIONS.image not in sys.argv

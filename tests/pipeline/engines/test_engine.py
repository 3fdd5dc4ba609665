"""The engines' options, held against Beam's own option parsers, and what is said where something is missing."""

import json
from pathlib import Path

import pydantic
import pytest
from apache_beam.options import pipeline_options as beam

import nsynth
from pipeline.engines import engine
from pipeline.engines.engine import EngineOptions

JAR = "/opt/beam/job-server.jar"


def parsed(options: EngineOptions, view: type[beam.PipelineOptions]):
    """What Beam reads from the arguments."""
    return beam.PipelineOptions(options.beam_args()).view_as(view)


def unknown_to_beam(options: EngineOptions) -> list[str]:
    """Arguments that none of Beam's parsers takes."""
    known = beam.PipelineOptions(options.beam_args()).get_all_options()
    names = [argument.removeprefix("--").partition("=")[0] for argument in options.beam_args()]
    also = {"no_use_public_ips": "use_public_ips"}
    return [name for name in names if also.get(name, name) not in known]


@pytest.mark.parametrize(
    ("options", "runner"),
    [
        ({}, "apache_beam.runners.portability.fn_api_runner.FnApiRunner"),
        ({"runner": "local-parallel"}, "apache_beam.runners.portability.fn_api_runner.FnApiRunner"),
        ({"runner": "flink", "flink": {"job_endpoint": "flink:8099"}}, "PortableRunner"),
        ({"runner": "flink", "flink": {"job_server_jar": JAR}}, "FlinkRunner"),
        ({"runner": "spark", "spark": {"job_endpoint": "spark:8099"}}, "PortableRunner"),
        ({"runner": "spark", "spark": {"job_server_jar": JAR}}, "SparkRunner"),
        (
            {
                "runner": "dataflow",
                "dataflow": {
                    "project": "some-project",
                    "region": "europe-west1",
                    "temp_location": "gs://some/tmp",
                },
            },
            "DataflowRunner",
        ),
    ],
)
def test_each_engine_has_its_runner_and_ships_our_packages(options: dict, runner: str):
    chosen = EngineOptions(**options)
    assert parsed(chosen, beam.StandardOptions).runner == runner
    setup_file = Path(parsed(chosen, beam.SetupOptions).setup_file)
    assert setup_file.name == "setup.py"
    assert setup_file.is_file()


def test_local_parallel_uses_a_thread_for_each_core():
    direct = parsed(EngineOptions(runner="local-parallel"), beam.DirectOptions)
    assert (direct.direct_running_mode, direct.direct_num_workers) == ("multi_threading", 0)


def test_flink_with_a_running_job_server():
    flink = {"job_endpoint": "flink-jobs:8099", "parallelism": 8, "max_parallelism": 64}
    options = EngineOptions(runner="flink", flink=flink)
    portable = parsed(options, beam.PortableOptions)
    assert (portable.job_endpoint, portable.environment_type) == ("flink-jobs:8099", "PROCESS")
    worker = json.loads(portable.environment_config)
    assert Path(worker["command"]).is_file()
    assert Path(worker["env"]["NSYNTH_PYTHON"]).is_file()
    runner = parsed(options, beam.FlinkRunnerOptions)
    assert (runner.parallelism, runner.max_parallelism) == (8, 64)
    assert unknown_to_beam(options) == []


def test_flink_with_a_job_server_of_its_own():
    flink = {"job_server_jar": JAR, "master": "jobmanager:8081", "version": "1.19", "submit_uber_jar": True}
    runner = parsed(EngineOptions(runner="flink", flink=flink), beam.FlinkRunnerOptions)
    assert (runner.flink_master, runner.flink_version) == ("jobmanager:8081", "1.19")
    assert (runner.flink_job_server_jar, runner.flink_submit_uber_jar) == (JAR, True)


def test_all_flink_versions_are_ones_that_beam_has():
    versions = engine.FlinkOptions.model_fields["version"].annotation.__args__
    assert list(versions) == beam.FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS


def test_spark():
    spark = {"job_server_jar": JAR, "master": "spark://master:7077", "rest_url": "http://master:6066"}
    options = EngineOptions(runner="spark", spark={**spark, "submit_uber_jar": True})
    runner = parsed(options, beam.SparkRunnerOptions)
    assert (runner.spark_master_url, runner.spark_rest_url) == ("spark://master:7077", "http://master:6066")
    assert (runner.spark_job_server_jar, runner.spark_submit_uber_jar, runner.spark_version) == (
        JAR,
        True,
        "3",
    )
    assert unknown_to_beam(options) == []


@pytest.mark.parametrize("runner", ["flink", "spark"])
@pytest.mark.parametrize(
    ("workers", "kind", "config"),
    [
        (
            {"environment": "docker", "image": "registry/worker:1", "per_machine": 0},
            "DOCKER",
            "registry/worker:1",
        ),
        ({"environment": "external", "pool": "localhost:50000"}, "EXTERNAL", "localhost:50000"),
        ({"environment": "loopback"}, "LOOPBACK", None),
    ],
)
def test_workers_of_another_kind(runner: str, workers: dict, kind: str, config: str | None):
    options = EngineOptions(runner=runner, **{runner: {"job_endpoint": "jobs:8099", "workers": workers}})
    portable = parsed(options, beam.PortableOptions)
    assert (portable.environment_type, portable.environment_config) == (kind, config)
    assert int(portable.sdk_worker_parallelism) == workers.get("per_machine", 1)


DATAFLOW = {
    "project": "some-project",
    "region": "europe-west1",
    "temp_location": "gs://bucket/tmp",
    "staging_location": "gs://bucket/staging",
    "service_account_email": "worker@some-project.iam.example",
    "image": "registry/beam:1",
    "machine_type": "n2-standard-8",
    "num_workers": 2,
    "max_num_workers": 20,
    "disk_gb": 100,
    "subnetwork": "regions/europe-west1/subnetworks/inner",
    "public_ips": False,
    "kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
    "flexrs": True,
    "labels": {"team": "audio", "stage": "test"},
}


def test_dataflow():
    options = EngineOptions(runner="dataflow", dataflow=DATAFLOW)
    cloud, workers = parsed(options, beam.GoogleCloudOptions), parsed(options, beam.WorkerOptions)
    assert (cloud.project, cloud.region) == ("some-project", "europe-west1")
    assert (cloud.temp_location, cloud.staging_location) == ("gs://bucket/tmp", "gs://bucket/staging")
    assert cloud.service_account_email == "worker@some-project.iam.example"
    assert (cloud.labels, cloud.flexrs_goal) == (["team=audio", "stage=test"], "COST_OPTIMIZED")
    assert cloud.dataflow_kms_key == "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    assert (workers.machine_type, workers.disk_size_gb) == ("n2-standard-8", 100)
    assert (workers.num_workers, workers.max_num_workers) == (2, 20)
    assert (workers.autoscaling_algorithm, workers.use_public_ips) == ("THROUGHPUT_BASED", False)
    assert workers.subnetwork == "regions/europe-west1/subnetworks/inner"
    assert workers.sdk_container_image == "registry/beam:1"
    assert unknown_to_beam(options) == []


def test_an_image_for_dataflow_holds_our_packages_itself():
    assert parsed(EngineOptions(runner="dataflow", dataflow=DATAFLOW), beam.SetupOptions).setup_file is None


def test_beams_own_validator_accepts_the_dataflow_options():
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    class Runner:
        """Only its name counts."""

    Runner.__name__ = "DataflowRunner"
    # A dry run, or the validator would ask Google about the bucket.
    arguments = [*EngineOptions(runner="dataflow", dataflow=DATAFLOW).beam_args(), "--dry_run=True"]
    options = beam.PipelineOptions(arguments)
    assert PipelineOptionsValidator(options, Runner()).validate() == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"runner": "hamster"}, "local-parallel"),
        ({"runner": "flink"}, "job_endpoint"),
        ({"runner": "flink", "flink": {"job_endpoint": "a:1", "job_server_jar": JAR}}, "either"),
        ({"flink": {"job_endpoint": "no port"}}, "job_endpoint"),
        ({"flink": {"parallelism": 0}}, "parallelism"),
        ({"flink": {"parallelism": 8, "max_parallelism": 4}}, "below parallelism 8"),
        ({"flink": {"version": "1.8"}}, "1.19"),
        ({"flink": {"job_server_jar": JAR, "submit_uber_jar": True}}, "needs `master`"),
        ({"flink": {"workers": {"environment": "docker"}}}, "needs `image`"),
        ({"flink": {"workers": {"environment": "external"}}}, "needs `pool`"),
        ({"flink": {"paralelism": 2}}, "paralelism"),
        ({"runner": "spark"}, "job_server_jar"),
        ({"spark": {"master": "somewhere"}}, "master"),
        ({"spark": {"submit_uber_jar": True}}, "rest_url"),
        ({"runner": "dataflow"}, "project, region, temp_location"),
        ({"dataflow": {"temp_location": "/tmp"}}, "temp_location"),
        ({"dataflow": {"num_workers": 5, "max_num_workers": 2}}, "below num_workers 5"),
    ],
)
def test_what_cannot_work_is_refused_and_named(options: dict, told: str):
    with pytest.raises(pydantic.ValidationError, match=told):
        EngineOptions(**options)


def flink(tmp_path: Path, **options) -> EngineOptions:
    return EngineOptions(runner="flink", flink={"job_server_jar": str(tmp_path / "server.jar"), **options})


def test_a_missing_jar_is_named(tmp_path: Path):
    with pytest.raises(nsynth.UserError, match=f"no file {tmp_path}/server.jar"):
        flink(tmp_path).check([])


def test_a_jar_without_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "server.jar").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(nsynth.UserError, match="needs java"):
        flink(tmp_path).check([])


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(nsynth.UserError, match=r"apache-beam\[gcp\]"):
        EngineOptions(runner="dataflow", dataflow=DATAFLOW).check([])


def test_workers_elsewhere_need_absolute_paths():
    options = EngineOptions(runner="flink", flink={"job_endpoint": "localhost:8099"})
    with pytest.raises(nsynth.UserError, match="workspace must be absolute"):
        options.check(["/data", "workspace"])
    options.check(["/data", "gs://bucket/workspace"])
    EngineOptions().check(["workspace"])

"""The engines' options, held against Beam's own option parsers, and what is said where something is missing."""

import json
from pathlib import Path

import pydantic
import pytest
from apache_beam.options import pipeline_options as beam

import nsynth
from pipeline.engines import beam_options, engine
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
        ({"runner": "spark", "spark": {"spark_job_server_jar": JAR}}, "SparkRunner"),
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


def test_an_installed_wheel_is_shipped_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wheel = tmp_path / "nsynth_tfx-1-py3-none-any.whl"
    monkeypatch.setattr(engine, "CHECKOUT_SETUP", tmp_path / "setup.py")
    monkeypatch.setattr(engine, "INSTALLED_WHEEL", tmp_path)
    flink = EngineOptions(runner="flink", flink={"job_endpoint": "server:8099"})
    with pytest.raises(nsynth.UserError, match="its workers need this project's wheel"):
        flink.check([])
    wheel.touch()
    flink.check([])
    assert parsed(flink, beam.SetupOptions).extra_packages == [str(wheel)]


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
    spark = {
        "spark_job_server_jar": JAR,
        "spark_master_url": "spark://master:7077",
        "spark_submit_uber_jar": True,
    }
    options = EngineOptions(runner="spark", spark=spark)
    runner = parsed(options, beam.SparkRunnerOptions)
    assert (runner.spark_master_url, runner.spark_job_server_jar) == ("spark://master:7077", JAR)
    assert runner.spark_submit_uber_jar
    assert parsed(options, beam.PortableOptions).environment_type == "PROCESS"
    options.check([])


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
def test_workers_of_another_kind(workers: dict, kind: str, config: str | None):
    options = EngineOptions(runner="flink", flink={"job_endpoint": "jobs:8099", "workers": workers})
    portable = parsed(options, beam.PortableOptions)
    assert (portable.environment_type, portable.environment_config) == (kind, config)
    assert int(portable.sdk_worker_parallelism) == workers.get("per_machine", 1)


DATAFLOW = {
    "project": "some-project",
    "region": "europe-west1",
    "temp_location": "gs://bucket/tmp",
    "sdk_container_image": "registry/beam:1",
    "num_workers": 2,
    "use_public_ips": False,
    "labels": ["team=audio", "stage=test"],
}


def test_dataflow():
    options = EngineOptions(runner="dataflow", dataflow=DATAFLOW)
    cloud, workers = parsed(options, beam.GoogleCloudOptions), parsed(options, beam.WorkerOptions)
    assert (cloud.project, cloud.labels) == ("some-project", ["team=audio", "stage=test"])
    assert (workers.num_workers, workers.use_public_ips) == (2, False)
    beam_options.check("engine.dataflow", options.beam_args())


def test_an_image_for_dataflow_holds_our_packages_itself():
    assert parsed(EngineOptions(runner="dataflow", dataflow=DATAFLOW), beam.SetupOptions).setup_file is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"runner": "dataflow"}, "engine.dataflow needs project, region, temp_location"),
        ({"runner": "dataflow", "dataflow": {**DATAFLOW, "temp_location": "/tmp"}}, "temp_location"),
        ({"runner": "dataflow", "dataflow": {**DATAFLOW, "num_workers": "many"}}, "num_workers: invalid int"),
        ({"runner": "dataflow", "dataflow": {**DATAFLOW, "disk_gb": 100}}, "no option disk_gb"),
        ({"runner": "spark", "spark": {"master": "local"}}, "engine.spark: Beam has no option master"),
    ],
)
def test_what_beam_refuses_is_told_before_a_run(options: dict, told: str):
    with pytest.raises(nsynth.UserError, match=told):
        EngineOptions(**options).check([])


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

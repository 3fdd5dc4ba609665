"""The engine that runs the Beam steps, and its options. Imports nothing heavy."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

import pydantic

import nsynth
from pipeline.engines import beam_options
from pipeline.engines.options import FlinkOptions, Workers

CHECKOUT_SETUP = Path(nsynth.__file__).with_name("setup.py")
INSTALLED_WHEEL = Path(os.environ.get("NSYNTH_WHEEL_FOLDER", f"{sys.prefix}/share/nsynth"))
"""Folder in which `python -m pipeline.install` keeps the wheel that it has installed."""
# By full name: `DirectRunner` would first try to download another engine at run time.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


class EngineOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """The engine of ExampleGen, StatisticsGen, Transform and Evaluator."""

    runner: Literal["local", "local-parallel", "flink", "spark", "dataflow"] = "local"
    """Engine of the Beam steps; see docs/engines.md."""
    flink: FlinkOptions = FlinkOptions()
    spark: dict[str, beam_options.Value] = {}
    """Beam's own options by name, such as spark_master_url, spark_job_server_jar or job_endpoint. Not tested."""
    dataflow: dict[str, beam_options.Value] = {}
    """Beam's own options by name: at least project, region and temp_location; sdk_container_image is an image that
    contains this project. Not tested."""

    @pydantic.model_validator(mode="after")
    def _runner_is_set_up(self) -> Self:
        self.beam_args()
        return self

    def beam_args(self) -> list[str]:
        """Return command-line arguments for Beam.

        One of them says how this project reaches workers on other machines. Without it, TFX would build a source
        package for every step.
        """
        match self.runner:
            case "local":
                args = [f"--runner={LOCAL_RUNNER}"]
            case "local-parallel":
                parallel = ("--direct_running_mode=multi_threading", "--direct_num_workers=0")
                args = [f"--runner={LOCAL_RUNNER}", *parallel]
            case "flink":
                args = self.flink.beam_args()
            case "spark":
                runner = "PortableRunner" if "job_endpoint" in self.spark else "SparkRunner"
                workers = [] if "environment_type" in self.spark else Workers().beam_args()
                args = [f"--runner={runner}", *workers, *beam_options.arguments(self.spark)]
            case "dataflow":
                args = ["--runner=DataflowRunner", *beam_options.arguments(self.dataflow)]
        return args if self._in_image else [*args, shipped()]

    @property
    def _in_image(self) -> bool:
        return self.runner == "dataflow" and "sdk_container_image" in self.dataflow

    def check(self, paths: Iterable[str]) -> None:
        """Check before a run that this machine has everything that the engine needs.

        Args:
          paths: paths that the run reads and writes.

        Raises:
          nsynth.UserError: an extra, a jar or a program is missing, Beam rejects an option, or a path is not absolute.
        """
        if self.runner in ("local", "local-parallel"):
            return
        for path in paths:
            if "://" not in path and not os.path.isabs(path):
                raise nsynth.UserError(
                    f"engine.runner = {self.runner}: its workers start in other folders, so the path {path} must be "
                    "absolute and the same on every machine. Set workspace and data to absolute paths."
                )
        if not self._in_image and not os.path.isfile(shipped().partition("=")[2]):
            raise nsynth.UserError(
                f"engine.runner = {self.runner}: its workers need this project's wheel, but {INSTALLED_WHEEL} has "
                "none. Install it with python -m pipeline.install (docs/installing.md)."
            )
        if self.runner == "dataflow":
            self._check_dataflow()
        beam_options.check(f"engine.{self.runner}", self.beam_args())
        if self.runner == "dataflow":
            _check_cloud_extra()
        elif self.runner == "flink":
            _check_job_server(self.flink)

    def _check_dataflow(self) -> None:
        """Check the options that Beam's validator would request from Google if they were missing."""
        if absent := [name for name in ("project", "region", "temp_location") if name not in self.dataflow]:
            raise nsynth.UserError(f"engine.dataflow needs {', '.join(absent)}")
        if not str(self.dataflow["temp_location"]).startswith("gs://"):
            raise nsynth.UserError(
                f"engine.dataflow.temp_location = {self.dataflow['temp_location']}: write gs://bucket/folder"
            )


def shipped() -> str:
    """Return Beam's argument for this project's packages: the checkout's setup.py, or the installed wheel."""
    if CHECKOUT_SETUP.is_file():
        return f"--setup_file={CHECKOUT_SETUP}"
    return f"--extra_package={next(INSTALLED_WHEEL.glob('*.whl'), INSTALLED_WHEEL)}"


def _check_cloud_extra() -> None:
    for package in ("apitools", "google.auth", "google.cloud.storage"):
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            found = None
        if not found:
            raise nsynth.UserError(
                f"engine.runner = dataflow: the package {package} is missing. Install apache-beam[gcp]."
            )


def _check_job_server(options: FlinkOptions) -> None:
    jar = options.job_server_jar
    if jar and "://" not in jar and not os.path.isfile(jar):
        raise nsynth.UserError(
            f"engine.flink.job_server_jar: there is no file {jar}. Download the job server of Beam's Flink runner, "
            "or set engine.flink.job_endpoint to a running one."
        )
    if jar and not shutil.which("java"):
        raise nsynth.UserError(
            "engine.flink.job_server_jar needs java on the path. Install a JDK, version 11 or 17."
        )

"""Options of the engines that run on other machines. Imports nothing heavy."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic

ENDPOINT_PATTERN = r"^[A-Za-z0-9.-]+:[0-9]{1,5}$"
GCS_PATTERN = r"^gs://[a-z0-9][a-z0-9._-]+(/.*)?$"
WORKER_COMMAND = Path(__file__).with_name("beam_worker")

Endpoint = Annotated[str, pydantic.Field(pattern=ENDPOINT_PATTERN)]
Count = Annotated[int, pydantic.Field(ge=1)]


class Workers(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How Flink and Spark get Python workers."""

    environment: Literal["process", "docker", "external", "loopback"] = "process"
    """process: the engine's machines start `command`; docker: they start `image`; external: a pool at `pool` starts
    them (a side car, on Kubernetes); loopback: they run in the submitting process, for trying things out."""
    command: str | None = None
    """process: what starts a worker; it must lie on the engine's machines. None: `pipeline/engines/beam_worker`, where
    it lies on this machine."""
    python: str | None = None
    """process: interpreter on the engine's machines whose environment has the locked packages. None: the path of the
    one that runs this."""
    image: str | None = None
    pool: Endpoint | None = None
    per_machine: int = pydantic.Field(default=1, ge=0)
    """Worker processes on each machine; 0 means one a core. Transform uses all cores from one."""

    @pydantic.model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.environment == "docker" and not self.image:
            raise ValueError(
                "environment docker needs `image`: a Beam SDK image with the packages of this project"
            )
        if self.environment == "external" and not self.pool:
            raise ValueError("environment external needs `pool`: host:port of Beam's worker pool")
        return self

    def beam_args(self) -> list[str]:
        """Command-line arguments for Beam."""
        config = {
            "process": json.dumps(
                {
                    "command": self.command or str(WORKER_COMMAND),
                    "env": {"NSYNTH_PYTHON": self.python or sys.executable},
                }
            ),
            "docker": self.image,
            "external": self.pool,
            "loopback": None,
        }[self.environment]
        return [
            f"--environment_type={self.environment.upper()}",
            *([f"--environment_config={config}"] if config else []),
            f"--sdk_worker_parallelism={self.per_machine}",
        ]


class JobServer(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where jobs are handed in: a server that runs already, or the jar of one that each step starts."""

    job_endpoint: Endpoint | None = None
    job_server_jar: str | None = None
    workers: Workers = Workers()

    def _needs_a_server(self, runner: str) -> None:
        if bool(self.job_endpoint) == bool(self.job_server_jar):
            raise ValueError(
                f"runner {runner} needs either job_endpoint, host:port of a job server that runs, or job_server_jar, "
                f"path of the jar of one (beam-runners-{runner}-...-job-server)"
            )


class FlinkOptions(JobServer, frozen=True):
    """Options of Beam's Flink runner.

    Whether a job is taken up again after a worker was lost is Flink's own setting, `restart-strategy`: Beam's option
    for it has no effect on a batch job.
    """

    master: str = "[auto]"
    """host:port of Flink's job manager; [local] starts a cluster within the job server."""
    version: Literal["1.19", "1.20", "2.0", "2.1", "2.2"] = "1.20"
    submit_uber_jar: bool = False
    """Hand job and job server in to `master` as one jar."""
    parallelism: Count = 2
    """Task slots of a job."""
    max_parallelism: Count | None = None

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_parallelism and self.max_parallelism < self.parallelism:
            raise ValueError(
                f"max_parallelism {self.max_parallelism} is below parallelism {self.parallelism}"
            )
        if self.submit_uber_jar and self.master in ("[auto]", "[local]"):
            raise ValueError("submit_uber_jar needs `master`: host:port of Flink's job manager")
        return self

    def beam_args(self) -> list[str]:
        """Command-line arguments for Beam."""
        self._needs_a_server("flink")
        server = (
            ["--runner=PortableRunner", f"--job_endpoint={self.job_endpoint}"]
            if self.job_endpoint
            else [
                "--runner=FlinkRunner",
                f"--flink_job_server_jar={self.job_server_jar}",
                f"--flink_master={self.master}",
                f"--flink_version={self.version}",
                *(["--flink_submit_uber_jar"] if self.submit_uber_jar else []),
            ]
        )
        return [
            *server,
            f"--parallelism={self.parallelism}",
            *([f"--max_parallelism={self.max_parallelism}"] if self.max_parallelism else []),
            *self.workers.beam_args(),
        ]


class SparkOptions(JobServer, frozen=True):
    """Options of Beam's Spark runner. It has not been run with this pipeline."""

    master: str = pydantic.Field("local[4]", pattern=r"^(local(\[[0-9*]+\])?|yarn|(spark|k8s)://.+)$")
    rest_url: str | None = pydantic.Field(None, pattern=r"^https?://.+$")
    """Spark's REST server, for submit_uber_jar."""
    submit_uber_jar: bool = False

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.submit_uber_jar and not self.rest_url:
            raise ValueError("submit_uber_jar needs `rest_url`, where Spark's REST server listens")
        return self

    def beam_args(self) -> list[str]:
        """Command-line arguments for Beam."""
        self._needs_a_server("spark")
        if self.job_endpoint:
            return [
                "--runner=PortableRunner",
                f"--job_endpoint={self.job_endpoint}",
                *self.workers.beam_args(),
            ]
        return [
            "--runner=SparkRunner",
            f"--spark_job_server_jar={self.job_server_jar}",
            f"--spark_master_url={self.master}",
            "--spark_version=3",
            *([f"--spark_rest_url={self.rest_url}"] if self.rest_url else []),
            *(["--spark_submit_uber_jar"] if self.submit_uber_jar else []),
            *self.workers.beam_args(),
        ]


class DataflowOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Options of Google Cloud Dataflow. It has not been run with this pipeline."""

    project: str | None = pydantic.Field(None, pattern=r"^[a-z][a-z0-9.:-]{4,}[a-z0-9]$")
    region: str | None = pydantic.Field(None, pattern=r"^[a-z]+-[a-z]+[0-9]+$")
    temp_location: str | None = pydantic.Field(None, pattern=GCS_PATTERN)
    staging_location: str | None = pydantic.Field(None, pattern=GCS_PATTERN)
    service_account_email: str | None = pydantic.Field(None, pattern=r"^[^@\s]+@[^@\s]+$")
    image: str | None = None
    """Beam SDK image that holds this project and its packages; none ships this project to Beam's own image."""
    machine_type: str = "n2-standard-4"
    num_workers: Count = 1
    max_num_workers: Count = 10
    autoscaling: bool = True
    disk_gb: int = pydantic.Field(default=50, ge=30)
    subnetwork: str | None = None
    public_ips: bool = True
    kms_key: str | None = None
    flexrs: bool = False
    """Delayed and cheaper."""
    labels: dict[str, str] = {}

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_num_workers < self.num_workers:
            raise ValueError(
                f"max_num_workers {self.max_num_workers} is below num_workers {self.num_workers}"
            )
        return self

    def beam_args(self) -> list[str]:
        """Command-line arguments for Beam.

        Raises:
          ValueError: Dataflow cannot do without an option that is not set.
        """
        if absent := [key for key in ("project", "region", "temp_location") if not getattr(self, key)]:
            raise ValueError(f"runner dataflow needs {', '.join(absent)}")
        optional = {
            "staging_location": self.staging_location,
            "service_account_email": self.service_account_email,
            "sdk_container_image": self.image,
            "subnetwork": self.subnetwork,
            "dataflow_kms_key": self.kms_key,
            "flexrs_goal": "COST_OPTIMIZED" if self.flexrs else None,
        }
        return [
            "--runner=DataflowRunner",
            f"--project={self.project}",
            f"--region={self.region}",
            f"--temp_location={self.temp_location}",
            f"--machine_type={self.machine_type}",
            f"--num_workers={self.num_workers}",
            f"--max_num_workers={self.max_num_workers}",
            f"--autoscaling_algorithm={'THROUGHPUT_BASED' if self.autoscaling else 'NONE'}",
            f"--disk_size_gb={self.disk_gb}",
            "--use_public_ips" if self.public_ips else "--no_use_public_ips",
            *(f"--{key}={value}" for key, value in optional.items() if value),
            *(f"--labels={key}={value}" for key, value in self.labels.items()),
        ]

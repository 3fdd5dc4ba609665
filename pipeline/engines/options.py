"""Options of Flink and of the Python workers on other machines. Imports nothing heavy."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic

ENDPOINT_PATTERN = r"^[A-Za-z0-9.-]+:[0-9]{1,5}$"
WORKER_COMMAND = Path(__file__).with_name("beam_worker")

Endpoint = Annotated[str, pydantic.Field(pattern=ENDPOINT_PATTERN)]
Count = Annotated[int, pydantic.Field(ge=1)]


class Workers(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How the engine gets Python workers."""

    environment: Literal["process", "docker", "external", "loopback"] = "process"
    """How Python workers are started. process: the engine's machines run `command`; docker: they run `image`; external:
    a pool at `pool` starts them (a sidecar on Kubernetes); loopback: they run in the submitting process, for
    experiments."""
    command: str | None = None
    """For process: command that starts a worker, on the engine's machines. None: `pipeline/engines/beam_worker`, with
    its path on this machine."""
    python: str | None = None
    """For process: interpreter on the engine's machines whose environment has the locked packages. None: the path of
    the current interpreter."""
    image: str | None = None
    """For docker: a Beam SDK image with the packages of this project."""
    pool: Endpoint | None = None
    """For external: host:port of Beam's worker pool."""
    per_machine: int = pydantic.Field(default=1, ge=0)
    """Worker processes on each machine; 0: one for each core. Transform uses all cores from one process."""

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
        """Return command-line arguments for Beam."""
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


class FlinkOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Options of Beam's Flink runner.

    Whether a job restarts after a worker is lost depends on Flink's setting `restart-strategy`: Beam's option for it
    has no effect on a batch job.
    """

    job_endpoint: Endpoint | None = None
    """host:port of a running job server; or set `job_server_jar`."""
    job_server_jar: str | None = None
    """Path of the jar of a job server, which each step starts; or set `job_endpoint`."""
    workers: Workers = Workers()
    master: str = "[auto]"
    """host:port of Flink's job manager; [local] starts a cluster in the job server."""
    version: Literal["1.19", "1.20", "2.0", "2.1", "2.2"] = "1.20"
    """Version of Flink."""
    submit_uber_jar: bool = False
    """Submit job and job server to `master` as one jar."""
    parallelism: Count = 2
    """Task slots of a job."""
    max_parallelism: Count | None = None
    """Upper limit of the parallelism that Flink may use. None: Flink's default."""

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
        """Return command-line arguments for Beam.

        Raises:
          ValueError: no job server is given, or two are.
        """
        if bool(self.job_endpoint) == bool(self.job_server_jar):
            raise ValueError(
                "runner flink needs either job_endpoint, host:port of a running job server, or job_server_jar, "
                "path of a job server's jar (beam-runners-flink-...-job-server)"
            )
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

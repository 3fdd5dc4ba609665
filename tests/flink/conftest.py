"""A Flink of its own for these tests, with Python workers as processes: Beam's job server with Flink embedded, and a
session cluster of a job manager and two task managers behind a job server."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.kubeflow.conftest import image, lacking  # noqa: F401 (fixtures)

TOOLS = Path(__file__).parents[2] / "tools" / "flink"
START_S = 600


@dataclass(frozen=True)
class JobServer:
    """A job server that runs."""

    endpoint: str
    process: psutil.Process
    """That starts the workers: the job server, or a task manager."""

    def workers(self) -> list[psutil.Process]:
        """Beam's workers that are its children now; not what is still fetching its packages."""
        try:
            return [child for child in self.process.children(recursive=True) if _is_worker(child)]
        except psutil.NoSuchProcess:
            return []


@dataclass(frozen=True)
class Session:
    """A session cluster that runs."""

    endpoint: str
    task_managers: tuple[JobServer, ...]

    def busy(self) -> list[psutil.Process]:
        """Task managers with workers."""
        return [manager.process for manager in self.task_managers if manager.workers()]

    def workers(self) -> list[psutil.Process]:
        """Beam's workers of all task managers that run."""
        return [worker for manager in self.task_managers for worker in manager.workers()]


@pytest.fixture(scope="session")
def jars() -> str:
    """Folder with Flink's jars."""
    found = os.environ.get("NSYNTH_FLINK_JARS")
    if not found:
        pytest.skip("`make test-flink` fetches Flink and runs this")
    return found


@pytest.fixture(scope="session")
def job_server(jars: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    [port], folder = _free_ports(1), tmp_path_factory.mktemp("flink")
    with _running(folder, "job-server", TOOLS / "serve", jars, port) as server:
        _wait_until_it_answers(server, port, folder)
        yield JobServer(f"localhost:{port}", psutil.Process(server.pid))


@pytest.fixture(scope="session")
def session_cluster(jars: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    rest, rpc, jobs = _free_ports(3)
    folder = tmp_path_factory.mktemp("session")
    with contextlib.ExitStack() as started:
        manager = started.enter_context(
            _running(folder, "job-manager", TOOLS / "session", "jobmanager", jars, rest, rpc)
        )
        task_managers = [
            started.enter_context(_running(folder, name, TOOLS / "session", "taskmanager", jars, rest, rpc))
            for name in ("task-manager-1", "task-manager-2")
        ]
        server = started.enter_context(
            _running(folder, "job-server", TOOLS / "serve", jars, jobs, f"localhost:{rest}")
        )
        _wait_until_it_answers(manager, rest, folder)
        _wait_until_it_answers(server, jobs, folder)
        endpoint = f"localhost:{jobs}"
        yield Session(endpoint, tuple(JobServer(endpoint, psutil.Process(m.pid)) for m in task_managers))


@contextlib.contextmanager
def _running(folder: Path, name: str, *command: Path | str | int) -> Iterator[subprocess.Popen]:
    """A process that writes its log and its temporary files into `folder`."""
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("localhost", 0))
        return [free.getsockname()[1] for free in sockets]


def _wait_until_it_answers(process: subprocess.Popen, port: int, folder: Path) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            socket.create_connection(("localhost", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    logs = "\n".join(file.read_text()[-2000:] for file in folder.glob("*.log"))
    pytest.fail(f"Flink does not answer:\n{logs}")


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("sdk_worker_main" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False

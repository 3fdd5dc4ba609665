"""A Flink of its own for these tests: Beam's job server with Flink embedded, and Python workers as processes."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

SERVE = Path(__file__).parents[2] / "tools" / "flink" / "serve"
START_S = 60


@dataclass(frozen=True)
class JobServer:
    """A job server that runs."""

    endpoint: str
    process: psutil.Process

    def workers(self) -> list[psutil.Process]:
        """Beam's workers that are its children now; not what is still fetching its packages."""
        return [child for child in self.process.children(recursive=True) if _is_worker(child)]


@pytest.fixture(scope="session")
def job_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    jars = os.environ.get("NSYNTH_FLINK_JARS")
    if not jars:
        pytest.skip("`make test-flink` fetches Flink and runs this")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("flink")
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [SERVE, jars, str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        _wait_until_it_answers(server, port, folder / "log")
        yield JobServer(f"localhost:{port}", psutil.Process(server.pid))
    finally:
        server.terminate()
        server.wait(30)


def _wait_until_it_answers(server: subprocess.Popen, port: int, log: Path) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up and server.poll() is None:
        try:
            socket.create_connection(("localhost", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the job server does not answer:\n{log.read_text()[-2000:]}")


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("sdk_worker_main" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False

"""A workspace with spans, and a stand-in for the child process that runs no pipeline."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.config import Config
from pipeline.retrain.child import Starter
from pipeline.retrain.options import RetrainOptions, RetryOptions
from tests.pipeline.past import History

# Writes what it was asked into asked.jsonl, then does the next of the things that script.json lists.
STAND_IN = """
import json, os, pathlib, signal, sys, time
request = json.loads(pathlib.Path(sys.argv[1]).read_text())
folder = pathlib.Path(sys.argv[2])
with open(folder / "asked.jsonl", "a") as asked:
    asked.write(json.dumps(request) + "\\n")
script = json.loads((folder / "script.json").read_text())
(folder / "script.json").write_text(json.dumps(script[1:]))
if script[0] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if script[0] != "hang":
    pathlib.Path(request["result_file"]).write_text(json.dumps(script[0]))
if script[0] == "hang" or script[0].get("lingers"):
    (folder / "hanging").write_text(str(os.getpid()))
    time.sleep(600)
"""


class StandIn:
    """Starts stand-ins; `script` is a result, "die" or "hang" for each; one that `lingers` hangs after telling it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def will(self, *script: dict | str) -> "StandIn":
        (self.folder / "script.json").write_text(json.dumps(script))
        return self

    @property
    def asked(self) -> list[dict]:
        file = self.folder / "asked.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def start(self) -> Starter:
        def start(request_file: Path, alive: int, lock: int) -> subprocess.Popen:
            command = [sys.executable, "-c", STAND_IN, str(request_file), str(self.folder)]
            return subprocess.Popen(command, stdin=alive, pass_fds=(lock,), start_new_session=True)

        return start

    def wait_until_hanging(self) -> int:
        """Process id of the stand-in that hangs."""
        for _ in range(400):
            if (self.folder / "hanging").exists() and (text := (self.folder / "hanging").read_text()):
                return int(text)
            time.sleep(0.05)
        raise TimeoutError


@pytest.fixture
def stand_in(tmp_path) -> StandIn:
    folder = tmp_path / "stand-in"
    folder.mkdir()
    return StandIn(folder)


@pytest.fixture
def deliver(tmp_path) -> Callable[..., Path]:
    """Puts a span into the folder of spans."""

    def deliver(number: int, content: bytes = b"notes") -> Path:
        file = tmp_path / "spans" / f"span-{number:06d}" / "nsynth-train.tfrecord"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (time.time() - 100,) * 2)
        return file

    return deliver


@pytest.fixture
def config(tmp_path) -> Config:
    retrain = RetrainOptions(
        spans=tmp_path / "spans", window=3, settle_s=0, retry=RetryOptions(attempts=3, wait_s=0.01)
    )
    return Config(workspace=tmp_path / "workspace", retrain=retrain)


Called = tuple[str, str, str | None, str]
"""Method, path, event and body of a call."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Called]]]:
    """Address of a server and the list of the calls that it got; what it answers depends on the path."""
    called: list[Called] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            called.append((self.command, self.path, self.headers["X-Nsynth-Event"], body))
            if self.path.startswith("/trickle"):
                for _ in range(12_000):
                    self.wfile.write(b"H")
                    self.wfile.flush()
                    time.sleep(0.05)
            elif self.path.startswith("/to-"):
                self.send_response(307 if self.path.endswith("other") else 302)
                other = f"http://localhost:{self.server.server_port}/elsewhere"
                target = {
                    "/to-other": other,
                    "/to-ftp": "ftp://127.0.0.1/x",
                    "/to-file": "file:///etc/passwd",
                }
                self.send_header("Location", target[self.path])
                self.end_headers()
            else:
                self.send_response(500 if self.path.startswith("/broken") else 204)
                self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who trickles is soon left
                super().handle()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", called
    server.shutdown()


@pytest.fixture
def past(config, deliver) -> tuple[History, dict[str, dict[str, mlmd.Artifact]]]:
    """Four runs; the model of the first was pushed. Only the newest is to be kept whole, the window is span 3."""
    cleanup = config.retrain.cleanup.model_copy(update={"keep_runs": 1})
    retrain = config.retrain.model_copy(update={"cleanup": cleanup, "window": 1})
    config = config.model_copy(update={"retrain": retrain})
    deliver(3)
    history = History(config)
    return history, {
        "pushed": history.whole_run("2025-01-01", 101, span=1, model_pushed=True),
        "old": history.whole_run("2025-01-02", 102, span=2),
        "window": history.whole_run("2025-01-03", 103, span=3),
        "newest": history.whole_run("2025-01-04", 104, span=4),
    }

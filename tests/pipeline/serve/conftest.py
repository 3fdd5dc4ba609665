"""`nsynth serve` as a process, over a folder of small real models."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from components import storage
from components.registry import Registry
from components.version import Record, model_digest
from tests.components.conftest import Note, fit, make_notes, save_model


@pytest.fixture(scope="session")
def notes() -> list[Note]:
    return make_notes(range(11), range(0, 3))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, notes: list[Note]) -> list[Path]:
    """Two models that answer otherwise; the first one tells novelty too."""
    folder = tmp_path_factory.mktemp("served")
    save_model(folder / "good", *fit(notes), novelty=True)
    labels = np.random.default_rng(0).permutation([note.family for note in notes])
    save_model(folder / "other", *fit(notes, labels))
    return [folder / "good", folder / "other"]


def push(registry: Registry, model: Path) -> int:
    """Publish a model, once more if it is there."""
    with registry._alone():
        record = Record(digest=model_digest(str(model)))
        return registry._publish(lambda f: storage.copy_folder(str(model), f), record, None).number


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served(NamedTuple):
    """A running server."""

    process: subprocess.Popen
    url: str
    registry: Registry

    def ask(self, path: str, body: bytes | dict | None = None, method: str | None = None) -> Answer:
        """Send a request; a body makes it a POST."""
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path.lstrip("/"), content, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def end(self) -> str:
        """Send SIGTERM; what the server printed since it began to serve."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=120)[0]


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Served]:
    """`nsynth serve` on a free port."""
    command = [sys.executable, "-m", "pipeline.cli.main", "serve", "--models", str(folder), "--port", "0"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdout is not None
    told = []
    try:
        for line in process.stdout:
            told.append(line)
            if found := re.search(r"serving \S+ at (http\S+)", line):
                yield Served(process, found[1], Registry(folder))
                break
        else:
            pytest.fail(f"the server has ended: {''.join(told)}")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models: list[Path]) -> Iterator[Served]:
    """A server of one model; only to be asked."""
    folder = tmp_path_factory.mktemp("models") / "models"
    push(Registry(folder), models[0])
    with running(folder, "--max-body-mb", "4") as served:
        yield served

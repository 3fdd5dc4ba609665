"""A server on loopback with a file of some 2,000 notes, ordered by family."""

from collections.abc import Iterator

import pytest

from benchmarks.nsynth_server import Behaviour, Server, VirtualFile, instruments
from components.remote.errors import Patience
from pipeline.download.origin import HttpOrigin


@pytest.fixture(scope="session")
def train_file() -> VirtualFile:
    """2,023 notes of 27 instruments in the official proportions."""
    return VirtualFile(instruments("train", share=0.007))


@pytest.fixture(scope="session")
def valid_file() -> VirtualFile:
    return VirtualFile(instruments("valid", share=0.01))


@pytest.fixture(scope="session")
def shared_server(train_file: VirtualFile, valid_file: VirtualFile) -> Iterator[Server]:
    with Server({"nsynth-train.tfrecord": train_file, "nsynth-valid.tfrecord": valid_file}) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The server, well-behaved until a test says otherwise."""
    shared_server.behaviour = Behaviour()
    return shared_server


@pytest.fixture
def origin(server: Server) -> HttpOrigin:
    """A client that waits for milliseconds where a real one waits for seconds."""
    return HttpOrigin(server.url, Patience(attempts=4, first_wait_s=0.01, longest_wait_s=0.05, timeout_s=5))

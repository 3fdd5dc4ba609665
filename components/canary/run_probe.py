"""Starts the probe and brings back what it measured, or how it died.

The process may be started ahead: it imports TensorFlow, then waits for its question.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PROBE = Path(__file__).with_name("probe.py")
FOREIGN = (
    "tfx",
    "keras",
    "tf_keras",
    "apache_beam",
    "tensorflow_transform",
    "atomic",
    "cores",
    "nsynth",
    "trainer",
    "transform",
)
"""Modules that a server does not have; the model must do without."""
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
_ahead: list["subprocess.Popen[str]"] = []
"""The process that waits for its question, if one does."""


class ProbeError(Exception):
    """The process died, or did not come to an end. The message says how."""


def start_ahead() -> None:
    """Start the process of the next `run_probe` now."""
    if not _ahead:
        _ahead.append(_start())


def end_unused() -> None:
    """End the process that was started ahead, if nothing has been asked of it."""
    while _ahead:
        with _ahead.pop() as process:
            process.kill()


def run_probe(question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Ask the probe in a fresh, isolated process.

    Args:
      question: `model` (folder), `notes` (TFRecord), `probabilities` (what is expected), `samples` (of a note),
        `calls` (batch size -> timed calls).
      timeout_s: the process is ended after so many seconds.

    Raises:
      ProbeError: it crashed or took too long.
    """
    with _ahead.pop() if _ahead else _start() as process:
        try:
            answer, messages = process.communicate(json.dumps(question | {"foreign": FOREIGN}), timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProbeError(f"it had not come to an end after {timeout_s:g} s") from error
        finally:
            process.kill()  # no harm to one that has ended
    if process.returncode < 0:
        raise ProbeError(f"the process crashed ({signal.Signals(-process.returncode).name})")
    if process.returncode:
        last = (messages.strip().splitlines() or ["no message"])[-1]
        raise ProbeError(f"the process failed: {last[:500]}")
    return json.loads(answer)


def _start() -> "subprocess.Popen[str]":
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-I", str(PROBE)],
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

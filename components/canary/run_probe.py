"""Starts the probe and brings back what it measured, or how it died."""

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


class ProbeError(Exception):
    """The process died, or did not come to an end. The message says how."""


def run_probe(question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Ask the probe in a fresh, isolated process.

    Args:
      question: `model` (folder), `notes` (TFRecord), `probabilities` (what is expected), `samples` (of a note),
        `calls` (batch size -> timed calls).
      timeout_s: the process is ended after so many seconds.

    Raises:
      ProbeError: it crashed or took too long.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(PROBE)],
            input=json.dumps(question | {"foreign": FOREIGN}),
            env=environment | {"TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"it had not come to an end after {timeout_s:g} s") from error
    if done.returncode < 0:
        raise ProbeError(f"the process crashed ({signal.Signals(-done.returncode).name})")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ProbeError(f"the process failed: {last[:500]}")
    return json.loads(done.stdout)

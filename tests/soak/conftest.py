"""Soaks run in processes of their own: they fork, which a process that TensorFlow has computed in must not."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run_module() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a module of this project with arguments."""

    def run(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=1400,
        )

    return run

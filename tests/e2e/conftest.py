"""A copy of the project in which the pipeline really runs, once for all tests that look at the result."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.history import past_runs

PROJECT = Path(__file__).parents[2]
MODULES, PACKAGES = (
    ("atomic.py", "cores.py", "nsynth.py", "setup.py"),
    ("components", "corpus", "pipeline", "trainer", "transform"),
)
SOURCES = (*MODULES, "configs", *PACKAGES)


@dataclass(frozen=True)
class Project:
    """A clone whose code a test may change, with a workspace of its own."""

    folder: Path

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace" / "tiny"

    def nsynth(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line of this clone."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline.cli.main", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=1200,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the command line of this clone."""
        command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, text=True, **pipes)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the whole pipeline with the smallest settings."""
        return self.nsynth("run", "--config", "configs/tiny.yaml", *arguments)

    def last_run(self) -> past_runs.Run:
        return past_runs.load_run(past_runs.open_store(self.workspace / "metadata.sqlite"))

    def versions(self) -> list[Path]:
        """Folders of the models that were pushed."""
        return sorted(f for f in (self.workspace / "models").iterdir() if f.name.isdecimal())

    def states(self) -> dict[str, str]:
        """Step → COMPLETE or CACHED in the newest run."""
        return {name: step.state for name, step in self.last_run().steps.items()}


@pytest.fixture(scope="session")
def make_project(tmp_path_factory) -> Callable[[str], Project]:
    """Copies the tree into a folder of this name."""

    def make(name: str) -> Project:
        folder = tmp_path_factory.mktemp(name)
        for part in SOURCES:
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        return Project(folder)

    return make


@pytest.fixture(scope="session")
def project(make_project) -> Project:
    return make_project("project")

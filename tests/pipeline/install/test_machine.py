"""Where the project cannot run, set-up says so at once and names the way by container."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.install import machine

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("system", "processor", "libc", "named"),
    [
        ("Linux", "aarch64", "glibc 2.39", "Linux on aarch64"),
        ("Darwin", "arm64", None, "Darwin on arm64"),
        ("Darwin", "x86_64", None, "Darwin on x86_64"),
        ("Windows", "AMD64", None, "Windows on AMD64"),
        ("Linux", "x86_64", None, "musl"),
        ("Linux", "x86_64", "", "musl"),
        ("Linux", "x86_64", "glibc 2.31", "glibc 2.31 is too old"),
        ("Linux", "x86_64", "glibc 2.9", "glibc 2.9 is too old"),
    ],
)
def test_what_is_refused_is_named_with_the_way_out(system, processor, libc, named):
    reason = machine.refusal(system, processor, libc)
    assert reason
    assert named in reason
    assert "--platform linux/amd64" in reason
    assert "\n" not in reason


@pytest.mark.parametrize("libc", ["glibc 2.34", "glibc 2.36", "glibc 2.41", "glibc 3.0"])
def test_what_runs_is_not_refused(libc):
    assert machine.refusal("Linux", "x86_64", libc) is None


def test_this_machine_is_not_refused():
    assert machine.refusal_here() is None


@pytest.mark.slow
def test_set_up_refuses_another_processor_before_it_makes_anything(tmp_path):
    if not shutil.which("setarch"):
        pytest.skip("setarch (util-linux) is not installed")
    done = subprocess.run(
        ["setarch", "i686", sys.executable, "-m", "pipeline.install", str(tmp_path / "venv")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Linux on i686 is not supported")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "venv").exists()

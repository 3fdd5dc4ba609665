"""The locks: nothing in them needs a compiler, and a check says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted([*ROOT.glob("*.lock"), *(ROOT / "pipeline" / "install").glob("*.lock")])
PURE_PYTHON = {"google-apitools", "kfp-server-api", "rouge-score"}
# Published as source alone, in C++.
SOURCE_PACKAGE = """pyfarmhash==0.3.2 \\
    --hash=sha256:00eadc04a0a0595fbf05bf430bac3baf9788e00b3abcdd26cd478b4b3c244837
"""


def check(lock: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tools" / "check_locks", lock], env={**os.environ, "PYTHON": sys.executable},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: f"{lock.parent.name}/{lock.name}")
def test_wheels_alone_are_installed_but_for_what_is_pure_python(lock: Path) -> None:
    """pip and uv obey these lines of a requirements file."""
    lines = lock.read_text().splitlines()
    assert lines[0] == "--only-binary :all:"
    assert {line.split()[1] for line in lines if line.startswith("--no-binary")} == PURE_PYTHON


def test_the_check_refuses_a_lock_that_allows_source_packages(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(SOURCE_PACKAGE)
    done = check(lock)
    assert done.returncode == 1
    assert "does not ask for wheels" in done.stderr


def test_the_check_refuses_a_package_without_a_wheel(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("--only-binary :all:\n" + SOURCE_PACKAGE)
    done = check(lock)
    assert done.returncode == 1
    assert "cannot be installed from wheels" in done.stderr

"""Making the environment: what set-up refuses, how it cuts the lock, what it needs of a Python."""

import ast
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from pipeline.install import environment

PACKAGE = Path(environment.__file__).parent
ROOT = Path(__file__).parents[3]
LOCK = """--only-binary :all:
--no-binary old-style
alpha==1 \\
    --hash=sha256:aa
    # via omega
old-style==2 \\
    --hash=sha256:bb
omega==3 \\
    --hash=sha256:cc \\
    --hash=sha256:dd
setuptools==4 \\
    --hash=sha256:ee
"""


def test_every_package_is_in_one_batch_with_its_hashes_and_the_options():
    cut = environment.batches(LOCK, 3)
    assert all(batch.startswith("--only-binary :all:\n--no-binary old-style\n") for batch in cut)
    pins = [line.split("==")[0] for batch in cut for line in batch.splitlines() if "==" in line]
    assert sorted(pins) == ["alpha", "old-style", "omega", "setuptools"]
    assert sum(batch.count("--hash") for batch in cut) == LOCK.count("--hash")


def test_build_tools_come_first_and_what_is_built_comes_last():
    cut = environment.batches(LOCK, 4)
    assert "setuptools==4" in cut[0]
    assert "old-style==2" in cut[-1]


@pytest.mark.parametrize("name", ["requirements.lock", "pipeline/install/runtime.lock"])
def test_the_build_tools_are_locked(name):
    first = environment.batches((ROOT / name).read_text())[0]
    assert {"pip==", "setuptools=="} <= {
        f"{line.split('==')[0]}==" for line in first.splitlines() if "==" in line
    }


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("[!g]*.py")), ids=lambda file: file.name)
def test_python_3_8_can_read_it(file):
    """All but `glibc.py`, which runs in the environment that was made."""
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" in modules or len(tree.body) == 1


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(environment.SetupError, match="choose another folder"):
        environment.check_target(tmp_path)


def test_a_full_disk_is_said_before_anything_is_fetched(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**9))
    with pytest.raises(environment.SetupError, match=r"5 GB are needed .* 1\.0 GB are free"):
        environment.check_target(tmp_path / "venv")


def test_a_python_that_cannot_be_had_is_told_with_the_ways_out(tmp_path):
    with pytest.raises(environment.SetupError) as told:
        environment.make_environment(["false"], tmp_path / "venv", None)
    for way in ("PYTHON=/path/to/python3.11", "--python", "UV_PYTHON_INSTALL_MIRROR"):
        assert way in str(told.value)


def test_a_failed_program_is_told_with_the_end_of_its_output():
    with pytest.raises(environment.SetupError, match="it broke:\n    last words"):
        environment.run(["sh", "-c", "echo last words >&2; exit 3"], "it broke")


def test_the_sizes_on_disk_come_from_the_records(tmp_path):
    record = tmp_path / "lib/python3.11/site-packages/some-1.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.write_text('some.py,sha256=x,100\n"a,b.py",sha256=y,23\nRECORD,,\n')
    assert environment.installed_bytes(tmp_path) == 123

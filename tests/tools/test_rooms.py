"""The picture of the packages is drawn from the rules, and the rules hold."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import rooms

PROJECT = Path(__file__).parents[2]


def test_the_picture_in_the_docs_is_current():
    assert rooms.picture() in rooms.PAGE.read_text(), "run: python -m tools.rooms --write"


def test_an_arrow_that_follows_from_others_is_left_out():
    assert rooms.reduced({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}


@pytest.mark.parametrize(
    "file",
    ["nsynth.py", "pipeline/engines/worker.py", "components/canary/probe.py"],
)
def test_what_runs_alone_imports_nothing_of_ours(file):
    ours = {"nsynth", "pipeline", "components", "transform", "trainer", "kubeflow", "corpus"}
    for node in ast.walk(ast.parse((PROJECT / file).read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not ours & {name.partition(".")[0] for name in names}, ast.unparse(node)


def check(folder: Path) -> subprocess.CompletedProcess:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": "."})


def test_the_rules_hold():
    ended = check(PROJECT)
    assert ended.returncode == 0, ended.stdout


def test_an_import_upwards_is_refused(tmp_path):
    """In a copy of the tree in which trainer imports the configuration."""
    ignored = ("node_modules", "tests", "docs", ".git", "__pycache__", "workspace", ".*")
    shutil.copytree(PROJECT, tmp_path / "tree", ignore=shutil.ignore_patterns(*ignored))
    heads = tmp_path / "tree" / "trainer" / "heads.py"
    heads.write_text(heads.read_text() + "\nfrom pipeline.config import Config  # noqa\n")
    ended = check(tmp_path / "tree")
    assert ended.returncode == 1
    assert "trainer.heads -> pipeline.config" in ended.stdout

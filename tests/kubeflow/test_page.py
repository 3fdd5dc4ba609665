"""docs/kubeflow.md line by line: what can be run here is run, of the rest whatever can be known is checked."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from kubeflow import cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "kubeflow.md"
UNTRIED = "○"
TOOLS = ("nsynth", "kubectl", "docker", "kind", "export", "python")


def lines() -> list[tuple[bool, str]]:
    """Whether it is marked as tried, and the command, for every line of the page that is one."""
    text = PAGE.read_text().replace("\\\n", " ")
    found = re.findall(rf"^ {{4,14}}({UNTRIED} )?((?:{'|'.join(TOOLS)}) .*)$", text, re.MULTILINE)
    return [(not mark, " ".join(line.split())) for mark, line in found]


def words(line: str) -> list[str]:
    """The line as a shell splits it, without a comment and without what it puts in the background."""
    return [word for word in shlex.split(line, comments=True) if word != "&"]


TRIED = [line for tried, line in lines() if tried]
NSYNTH = [line for _, line in lines() if line.startswith("nsynth kubeflow")]


def test_the_page_has_lines_of_both_kinds() -> None:
    assert len(TRIED) >= 4
    assert len(lines()) - len(TRIED) > 10


@pytest.mark.parametrize("line", NSYNTH)
def test_every_option_exists(line: str) -> None:
    name, *args = words(line)[2:]
    made = cli.kubeflow.commands[name].make_context(name, args)  # raises for an unknown or lacking option
    assert isinstance(made, click.Context)


@pytest.mark.parametrize("line", [line for _, line in lines() if "kubeflow/" in line])
def test_every_file_exists(line: str) -> None:
    for path in re.findall(r"(?<![\w/$.-])kubeflow/[\w./-]+", line):
        assert (ROOT / path).exists(), path


def test_the_build_s_arguments_exist() -> None:
    (build,) = [line for _, line in lines() if line.startswith("docker build")]
    declared = set(re.findall(r"^ARG (\w+)", (ROOT / "kubeflow" / "Dockerfile").read_text(), re.MULTILINE))
    named = set(re.findall(r"--build-arg (\w+)", PAGE.read_text()))
    assert "CODE_FINGERPRINT" in build
    assert named | {"PYTHON_IMAGE"} <= declared


def test_python_lines_are_python() -> None:
    for _, line in lines():
        if line.startswith("python -c"):
            compile(words(line)[2], str(PAGE), "exec")


OURS = [line for line in TRIED if words(line)[0] == "nsynth"]
ONE_AFTER_THE_OTHER = """
import json, sys
from pipeline.cli.main import main
for line in json.loads(sys.argv[1]):
    sys.argv = line
    try:
        main()
    except SystemExit as leave:
        print("exit code", leave.code)
    for stream in (sys.stdout, sys.stderr):
        print("----- the next one", file=stream, flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Of each of our commands that is said to have been tried: what it wrote on standard output and error."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "kubeflow").symlink_to(ROOT / "kubeflow")
    command = [sys.executable, "-P", "-c", ONE_AFTER_THE_OTHER, json.dumps([words(line) for line in OURS])]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = [text.split("----- the next one\n") for text in (done.stdout, done.stderr)]
    return dict(zip(OURS, zip(*written, strict=True), strict=False))


@pytest.mark.e2e
@pytest.mark.parametrize("line", OURS)
def test_what_is_said_to_have_been_tried_works(line: str, answers: dict[str, tuple[str, str]]) -> None:
    """In one process, which imports TFX once."""
    output, errors = answers[line]
    assert output.removesuffix("exit code 0\n"), "it says nothing"
    assert output.endswith("exit code 0\n"), output
    assert errors == ""


@pytest.mark.e2e
@pytest.mark.parametrize("line", [line for line in TRIED if line not in OURS])
def test_what_is_said_to_have_been_tried_with_other_tools_works(line: str, tmp_path: Path) -> None:
    tool = words(line)[0]
    (tmp_path / "kubeflow").symlink_to(ROOT / "kubeflow")
    here = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if not shutil.which(tool, path=here):
        pytest.skip(f"{tool} is not installed")
    environment = {**os.environ, "PATH": here, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        words(line), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""

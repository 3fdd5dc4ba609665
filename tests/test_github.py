"""The workflows call what exists, and GitHub's schemas take the files."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def jobs(request) -> dict:
    return yaml.safe_load(request.param.read_text())["jobs"]


def test_every_command_of_a_workflow_exists(jobs):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    for command in commands:
        words = command.split()
        if words[0] == "make":
            assert set(words[1:]) <= targets
        elif words[0] != "docker":
            assert (ROOT / words[0]).is_file()


def test_every_job_ends_and_may_write_nothing(jobs):
    assert all(job["timeout-minutes"] <= 90 for job in jobs.values())
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


def test_pre_commit_runs_what_lint_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text()
    for hook in hooks:
        assert hook["entry"].removeprefix(".venv/").split(" --")[0].removeprefix("bin/") in lint

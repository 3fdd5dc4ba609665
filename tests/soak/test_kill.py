"""Killed in every step in turn, the same round comes to the same end as if nothing had happened.

Each step is killed after its work and before TFX has written it down, the long ones in the middle of it too; `make
soak-kill` kills all of them in the middle.
"""

from pathlib import Path

import pytest

from benchmarks import soak_kill
from pipeline.history import past_runs
from pipeline.history.metadata import connect

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(run_module, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    done = run_module("benchmarks.soak_kill", "--folder", folder, "--long")
    assert (folder / "result.json").exists(), done.stdout + done.stderr
    return folder


def test_outputs_are_those_of_an_undisturbed_round_and_none_is_counted_twice(folder):
    assert list(soak_kill.faults(folder, everywhere=False)) == []


def test_every_step_was_killed(folder):
    config = soak_kill.configuration(folder, "killed")
    steps = set(past_runs.load_run(connect(config.metadata)).steps)
    killed = soak_kill.diary(folder)
    assert {line.removesuffix(" after") for line in killed if line.endswith(" after")} == steps
    assert {line.removesuffix(" during") for line in killed if line.endswith(" during")} == set(
        soak_kill.LONG
    )


def test_the_comparison_sees_what_is_left_over(folder):
    """The test of the test: one folder too many, one changed byte."""
    config = soak_kill.configuration(folder, "killed")
    left = config.artifacts / "Trainer" / "model" / "99999"
    left.mkdir()
    [file, *_] = (config.artifacts / "HeldOut" / "examples").glob("*/Split-valid/*")
    content = file.read_bytes()
    file.write_bytes(content + b"x")
    try:
        told = list(soak_kill.faults(folder, everywhere=False))
    finally:
        left.rmdir()
        file.write_bytes(content)
    assert [line for line in told if "Trainer/model" in line]
    assert "the examples of HeldOut differ" in told

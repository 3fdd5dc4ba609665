"""Killed in each long step in turn, the same round comes to the same end as if nothing had happened.

Each is killed in the middle of its work, and again after it, before TFX has written it down. `make soak-kill` kills
every step.
"""

from pathlib import Path

import pytest

from benchmarks import soak_kill

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(run_module, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    done = run_module("benchmarks.soak_kill", "--folder", folder, "--long")
    assert (folder / "result.json").exists(), done.stdout + done.stderr
    return folder


def test_outputs_are_those_of_an_undisturbed_round_and_none_is_counted_twice(folder):
    assert list(soak_kill.faults(folder, everywhere=False)) == []


def test_every_long_step_was_killed_twice(folder):
    killed = {f"{step} {moment}" for step in soak_kill.LONG for moment in ("during", "after")}
    assert set(soak_kill.diary(folder)) == killed


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

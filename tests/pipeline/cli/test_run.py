"""`nsynth run` before its first step: what it finds out without loading TFX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import nsynth
from pipeline import exit_codes
from pipeline.cli import main, run
from pipeline.config import load_config
from pipeline.retrain import lock
from pipeline.retrain.round import Retraining

PROJECT = Path(__file__).parents[3]
# Not even root may write then.
POWERLESS = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
]


def run_in(workspace: Path, *before: str) -> str:
    """The error of a run that must fail."""
    command = [*before, sys.executable, "-m", "pipeline.cli.main", "run", "--set", f"workspace={workspace}"]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert answer.returncode == exit_codes.ERROR
    assert answer.stdout == "", "no log is there to be named"
    return answer.stderr


@pytest.mark.slow
def test_a_workspace_in_which_somebody_is_at_work(tmp_path):
    """A round that cleans up would take what a run is writing for what a killed one has left."""
    with lock.hold(Retraining(load_config(overrides=[f"workspace={tmp_path}"])).lock_file, "nsynth retrain"):
        (tmp_path / "nsynth-train.tfrecord").touch()
        command = [sys.executable, "-m", "pipeline.cli.main", "run", "--data", str(tmp_path)]
        answer = subprocess.run(
            [*command, "--set", f"workspace={tmp_path}"], cwd=PROJECT, capture_output=True, text=True
        )
    assert answer.returncode == exit_codes.LOCKED
    assert "is in use by nsynth retrain, process" in " ".join(answer.stderr.split())


@pytest.mark.slow
def test_a_mistake_is_told_before_anything_heavy_is_loaded(tmp_path):
    """It takes half a second, nearly all of it Python's start; by the clock that cannot be tested on a busy machine.

    One after the other in one process: what one of them loads is there after it.
    """
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").touch()
    elsewhere = ["--set", f"workspace={tmp_path / 'workspace'}"]
    mistakes = {
        "/missing: no such file or folder": ["run", "--data", "/missing", *elsewhere],
        f"{tmp_path}/empty is empty": ["run", "--data", f"{tmp_path}/empty", *elsewhere],
        "README.md is no file of notes, going by its name": ["inspect", f"{tmp_path}/README.md"],
        "no run": ["report", "nope", *elsewhere],
    }
    code = (
        "import sys\nfrom pipeline.cli.main import main\n"
        f"for command in {list(mistakes.values())}:\n"
        "    sys.argv = ['nsynth', *command]\n"
        "    try: main()\n"
        "    except SystemExit as leave: assert leave.code == 1, (command, leave.code)\n"
        "    slow = {'tensorflow', 'tfx', 'apache_beam', 'altair', 'keras'} & set(sys.modules)\n"
        "    assert not slow, (command, slow)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    for line, says in zip(answer.stderr.splitlines(), mistakes, strict=True):
        assert says in line
    assert not (tmp_path / "workspace").exists(), "nothing is made for it"


@pytest.mark.parametrize(("code", "make"), [(0, 0), (3, 0), (1, 2)])
def test_make_run_succeeds_though_the_model_was_refused(tmp_path, code, make):
    program = tmp_path / "bin" / "nsynth"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    (tmp_path / ".ready").touch()
    done = subprocess.run(["make", "run", f"VENV={tmp_path}"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == make, done.stderr
    assert bool(done.stderr) == bool(make)


@pytest.mark.slow
def test_a_workspace_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    said = run_in(tmp_path / "file" / "workspace")
    assert f"cannot write to the workspace {tmp_path}/file/workspace: Not a directory" in said


@pytest.mark.slow
@pytest.mark.parametrize("workspace", [".", "new", "new/deeper"])
def test_a_workspace_that_may_not_be_written_to(tmp_path, workspace):
    tmp_path.chmod(0o555)
    said = run_in(tmp_path / workspace, *(POWERLESS if os.geteuid() == 0 else []))
    assert f"cannot write to the workspace {tmp_path / workspace}: Permission denied" in said
    assert list(tmp_path.iterdir()) == []


def test_the_first_lines_say_what_is_in_the_data_folder(notes, writers, tmp_path, monkeypatch, capsys):
    from pipeline.cli import run

    monkeypatch.setattr(run, "_run", lambda config: (_ for _ in ()).throw(nsynth.UserError("stopped here")))
    writers["nsynth-train.tfrecord"](tmp_path / "nsynth-train.tfrecord", notes)
    config = load_config(overrides=[f"workspace={tmp_path / 'workspace'}", f"data={tmp_path}"])
    with pytest.raises(nsynth.UserError, match="stopped here"):
        run.run_once(config, verbose=False)
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert str(tmp_path) in first
    assert "train: 44 notes of 11 instruments (tfrecord): as many as 0.0% of the official notes" in second


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Calls `nsynth run` up to where the run would begin; answers its configuration and what was printed."""

    def call(*arguments: str, installed: bool):
        monkeypatch.setattr("corpus.fonts.KnownFont.installed", lambda font: tmp_path if installed else None)
        seen = []
        monkeypatch.setattr(run, "run_once", lambda config, **_: seen.append(config) or 0)
        workspace = ("--set", f"workspace={tmp_path}/workspace")
        done = CliRunner().invoke(
            main.cli, ["run", *workspace, *arguments], obj={"verbose": False}, standalone_mode=False
        )
        assert done.exception is None, done.exception
        return seen[0], done.output

    return call


def test_the_demo_takes_the_sounds_that_are_there(configured):
    config, printed = configured(installed=True)
    assert config.corpus.soundfonts == ("TimGM6mb", "FluidR3Mono", "sonivox")
    assert printed == ""


def test_without_the_fetched_sounds_the_demo_is_smaller_and_says_so(configured):
    whole, _ = configured(installed=True)
    config, printed = configured(installed=False)
    assert config.corpus.soundfonts == ("TimGM6mb",)
    assert config.gate.min_accuracy < whole.gate.min_accuracy
    assert "FluidR3Mono, sonivox (`nsynth corpus --fetch` downloads them)" in printed
    assert "lower thresholds of demo-small.yaml" in printed


def test_other_data_and_other_files_need_no_sounds(configured, tmp_path):
    (tmp_path / "nsynth-train.tfrecord").touch()
    for arguments in (["--data", str(tmp_path)], ["--config", str(PROJECT / "configs" / "tiny.yaml")]):
        assert configured(*arguments, installed=False)[1] == ""

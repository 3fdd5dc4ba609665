"""The command line: fast to answer, one clear line on an error, an exit code that scripts can use."""

import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import NamedTuple

import click
import pytest

import nsynth
from pipeline import exit_codes
from pipeline.cli import main
from pipeline.cli.options import PathOrAddress
from pipeline.errors import explain

HEAVY = ("tensorflow", "tfx", "apache_beam", "keras")


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_nsynth(monkeypatch, capfd) -> Callable[..., Answer]:
    """Calls the command line in this process."""

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["nsynth", *arguments])
        with pytest.raises(SystemExit) as leave:
            main.main()
        sys.stdout.flush()
        sys.stderr.flush()
        return Answer(int(leave.value.code or 0), *capfd.readouterr())

    return run


def test_a_call_leaves_the_environment_as_it_was():
    code = (
        "import os, sys\n"
        "from pipeline.cli.main import main\n"
        "sys.argv, before = ['nsynth', '--help'], dict(os.environ)\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert dict(os.environ) == before\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)


def test_help_lists_every_command():
    command = [sys.executable, "-m", "pipeline.cli.main", "--help"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0
    assert [name for name in main.COMMANDS if f"  {name}" not in answer.stdout] == []


def test_help_imports_nothing_that_is_slow():
    code = (
        "import sys\n"
        "from pipeline.cli.main import COMMANDS, cli\n"
        "for arguments in ([], *([name] for name in COMMANDS)):\n"
        "    cli([*arguments, '--help'], standalone_mode=False)\n"
        f"    slow = [name for name in {HEAVY} if name in sys.modules]\n"
        "    assert not slow, (arguments, slow)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_says_what_it_does(name):
    command = main.cli.get_command(click.Context(main.cli), name)
    assert command is not None
    assert command.get_short_help_str()


def test_an_unknown_command_is_a_usage_error(run_nsynth):
    answer = run_nsynth("rum")
    assert answer.returncode == exit_codes.USAGE
    assert "No such command 'rum'" in answer.stderr


def test_a_bad_setting_is_one_clear_message_and_no_traceback(run_nsynth):
    answer = run_nsynth("run", "--set", "recipe.epoch=3")
    assert answer.returncode == exit_codes.ERROR
    assert "recipe.epoch = 3: unknown key" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_message_of_a_user_error_is_found_behind_what_wraps_it():
    error = RuntimeError("while running a step")
    error.__cause__ = nsynth.UserError("the file is cut short")
    assert explain(error) == "the file is cut short"


def test_a_full_disk_is_told_in_words():
    assert explain(OSError(28, "No space left on device", "out")) == "No space left on device (out)"


def test_a_package_that_is_lacking_is_told_with_what_to_do():
    error = ModuleNotFoundError("No module named 'tfx'", name="tfx")
    assert explain(error) == (
        "No module named 'tfx'. This environment is not complete; docs/installing.md tells how to make one that is."
    )


def test_another_package_of_our_name_is_told(monkeypatch):
    other = types.ModuleType("kubeflow")
    other.__path__ = ["/elsewhere/kubeflow"]
    monkeypatch.setitem(sys.modules, "kubeflow", other)
    error = ModuleNotFoundError("No module named 'kubeflow.options'", name="kubeflow.options")
    assert "/elsewhere/kubeflow is another package named kubeflow. Give nsynth an environment" in explain(
        error
    )


def test_an_unforeseen_error_is_one_line():
    assert explain(ValueError("first\nsecond")) == "unexpected ValueError: first (--verbose shows where)"


def test_the_version_tells_what_is_installed(run_nsynth):
    answer = run_nsynth("--version")
    assert re.fullmatch(r"nsynth-tfx \S+, tfx 1\.\S+, tensorflow 2\.\S+, Python 3\.11\.\S+\n", answer.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(monkeypatch, run_nsynth, shell):
    monkeypatch.setenv("_NSYNTH_COMPLETE", f"{shell}_source")
    assert "_NSYNTH_COMPLETE" in run_nsynth().stdout
    monkeypatch.setenv("_NSYNTH_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "nsynth ru")
    monkeypatch.setenv("COMP_CWORD", "1" if shell != "fish" else "ru")
    assert {"run", "runs"} <= set(re.findall(r"\w+", run_nsynth().stdout))


def every_command(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Full name and command, groups entered."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield " ".join((*names, name)), command
        if isinstance(command, click.Group):
            yield from every_command(command, *names, name)


def test_every_path_on_the_command_line_may_begin_with_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    paths = [
        (name, parameter)
        for name, command in every_command(main.cli)
        for parameter in command.params
        if isinstance(parameter.type, (click.Path, PathOrAddress))
    ]
    assert len(paths) > 10
    taken = {
        (name, parameter.name): str(parameter.type.convert("~/x", parameter, None))
        for name, parameter in paths
    }
    assert PathOrAddress().convert("gs://bucket/notes", None, None) == "gs://bucket/notes"
    assert [where for where, path in taken.items() if path != "/home/me/x"] == []

"""What `nsynth run` tells at its end."""

import io
import json
import shlex
import shutil
from pathlib import Path

import pytest
import rich.console
import soundfile

import nsynth
from components.registry import Registry
from components.version import Record
from pipeline.cli import main
from pipeline.cli.summary import print_summary, program, summarize
from pipeline.history import past_runs
from tests.pipeline.report.past_run import Told, write_run
from tests.pipeline.report.workspace import Workspace


def told(tmp_path, run: Told, options: tuple[str, ...] | list[str] = ()) -> str:
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, run)
    shown = io.StringIO()
    console = rich.console.Console(file=shown, width=140)
    print_summary(summarize(workspace.config), console, seconds=12.3, options=options)
    return shown.getvalue()


def test_a_blessed_run(tmp_path):
    text = told(tmp_path, Told())
    assert "notes used  44 (train 44, dev 0, valid 44, test 0); 1 quarantined" in text
    assert "verdict     blessed: accuracy 90.9%" in text
    assert "promote" not in text


def test_a_refused_run_says_what_was_asked_what_was_measured_by_how_much_and_what_to_do(tmp_path):
    text = told(tmp_path, Told(blessed=False, pushed=False))
    assert "verdict     not blessed: accuracy" in text
    [line] = [line for line in text.splitlines() if "✗  accuracy" in line]
    assert "lower 95% bound ≥ 99.0%" in line
    assert "90.9% (" in line
    assert " points" in line
    assert "model       not pushed" in text
    assert "accuracy: Below the threshold" in text
    assert "nsynth models promote --reason" in text


def test_a_model_that_the_canary_refused_is_not_to_be_promoted(tmp_path):
    text = told(tmp_path, Told(canary=False, pushed=False))
    assert "verdict     Blessed by the gate, but not fit to serve: dependencies" in text
    assert "promote" not in text
    assert "nsynth report" in text


@pytest.mark.parametrize("run", [Told(), Told(pushed=False, blessed=False), Told(canary=False, pushed=False)])
def test_what_to_try_next_works_as_it_stands_in_a_new_terminal(tmp_path, run):
    options = ["--set", f"workspace={tmp_path}/workspace", "--set", "name=it s"]
    lines = told(tmp_path, run, options).partition("Try next:")[2].splitlines()
    commands = [shlex.split(line) for line in lines if line.split()[:1] == [program()]]
    assert commands
    for named, *arguments in commands:
        assert shutil.which(named)
        with main.cli.make_context("nsynth", arguments, resilient_parsing=False) as context:
            name, command, rest = main.cli.resolve_command(context, arguments)
            parsed = command.make_context(name, list(rest), parent=context)
        if name == "classify":
            [note] = parsed.params["files"]
            assert soundfile.info(note).frames == nsynth.NOTE_SAMPLES
        if name in ("classify", "runs", "report"):
            assert parsed.params["overrides"] == (options[1], options[3])


def test_in_an_installation_on_the_path_the_name_is_enough(tmp_path, monkeypatch):
    (tmp_path / "nsynth").touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert program() == "nsynth"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    assert program() == str(tmp_path / "nsynth"), "only this terminal is activated"
    monkeypatch.chdir(tmp_path)
    assert program() == str(tmp_path / "nsynth"), "a name alone is looked for on the path"
    monkeypatch.chdir(tmp_path.parent)
    assert program() == f"{tmp_path.name}/nsynth"


def test_a_run_from_the_cache_says_so_and_which_version_serves_since(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    first = past_runs.load_run(workspace.store)
    for step in first.steps.values():
        read, made = (
            {key: [output.id for output in outputs] for key, outputs in by_key.items()}
            for by_key in (step.inputs, step.outputs)
        )
        workspace.step(step.name, read, made, state="CACHED", run="2026-03-02T10:00:00.000000")
    other = Registry(workspace.config.models).publish(
        lambda folder: Path(folder, "saved_model.pb").write_bytes(b"other") and None,
        Record(model_uri="other", model_id=0, run="other", digest=""),
    )
    shown = io.StringIO()
    print_summary(summarize(workspace.config), rich.console.Console(file=shown, width=200))
    verdict = next(line for line in shown.getvalue().splitlines() if line.startswith("verdict"))
    assert "Cached: an earlier run" in verdict
    assert f"version {other.number} serves now" in shown.getvalue()


def test_slices_that_fell_are_named(tmp_path):
    text = told(tmp_path, Told(champion=True, pushed=False))
    assert "family=bass from 100.0% to 0.0%" in text


def test_a_report_of_an_older_run_can_still_be_told(tmp_path):
    """Its gate did not yet say by how much."""
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    report = past_runs.load_run(workspace.store).steps["Gate"].output("report").path / "gate.json"
    gate = json.loads(report.read_text())
    for check in gate["checks"]:
        del check["by"]
    report.write_text(json.dumps(gate))
    shown = io.StringIO()
    print_summary(summarize(workspace.config), rich.console.Console(file=shown, width=140))
    assert "✓  accuracy" in shown.getvalue()

"""What `nsynth run` tells at its end."""

import io
import json
from pathlib import Path

import rich.console

from pipeline.cli.summary import print_summary, summarize
from pipeline.history import past_runs
from tests.pipeline.report.past_run import Told, write_run
from tests.pipeline.report.workspace import Workspace


def told(tmp_path, run: Told) -> str:
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, run)
    shown = io.StringIO()
    print_summary(summarize(workspace.config), rich.console.Console(file=shown, width=140), seconds=12.3)
    return shown.getvalue()


def test_a_blessed_run(tmp_path):
    text = told(tmp_path, Told())
    assert "notes used  44 (train 44, dev 0, valid 44, test 0); 1 quarantined" in text
    assert "verdict     blessed: 90.9%" in text
    assert "nsynth classify" in text
    assert f"each with --set workspace={tmp_path}/workspace" in text, "it is not where the commands look"
    assert "promote" not in text


def test_a_refused_run_says_what_was_asked_what_was_measured_by_how_much_and_what_to_do(tmp_path):
    text = told(tmp_path, Told(blessed=False, pushed=False))
    assert "verdict     not blessed: accuracy" in text
    [line] = [line for line in text.splitlines() if "✗  accuracy" in line]
    assert "surely at least 99.0%" in line
    assert "90.9% (" in line
    assert " points" in line
    assert "model       not pushed" in text
    assert "accuracy: It is below the bar" in text
    assert "nsynth models promote --reason" in text


def test_a_model_that_the_canary_refused_is_not_to_be_promoted(tmp_path):
    text = told(tmp_path, Told(canary=False, pushed=False))
    assert "verdict     Blessed by the gate, but not fit to serve: needs" in text
    assert "promote" not in text
    assert "nsynth report" in text


def test_in_the_usual_workspace_the_commands_need_no_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = told(Path(), Told())
    assert "nsynth models " in text
    assert "--set" not in text


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

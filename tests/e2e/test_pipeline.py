"""The real pipeline on rendered notes: what a run leaves, what a second one reuses, what a change runs again.

The tests stand in the order of the story; each run takes up where the one before it ended.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import nsynth
from pipeline import exit_codes

PROJECT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

STEPS = [
    "ExampleGen", "Schema", "StatisticsGen", "ExampleValidator", "DataGate", "Transform",
    "Trainer", "Predictor", "Evaluator", "Gate", "Canary", "Pusher",
]  # fmt: skip


@pytest.fixture(scope="module")
def first(project):
    """The first run, from nothing."""
    answer = project.run()
    assert answer.returncode == exit_codes.OK, answer.stdout + answer.stderr
    return answer


def artifact(project, step: str, key: str):
    return project.folder / project.last_run().steps[step].output(key).path


def test_every_step_ran_once(project, first):
    assert project.states() == dict.fromkeys(STEPS, "COMPLETE")


def test_the_summary_tells_what_matters(first):
    for word in ("notes read", "notes used", "unseen instruments", "verdict", "model", "Try next"):
        assert word in first.stdout, first.stdout


def test_libraries_keep_quiet(first):
    assert first.stderr == ""
    assert len(first.stdout.splitlines()) < 60, first.stdout


def test_every_note_is_accounted_for(project, first):
    account = json.loads((artifact(project, "ExampleGen", "quarantine") / "summary.json").read_text())
    rendered = json.loads((project.workspace / "data" / "corpus.json").read_text())
    assert account["in"] == sum(rendered["notes"].values())
    assert account["in"] == account["used"] + account["quarantined"]
    assert all(account["splits"][split]["notes"] for split in nsynth.SPLITS)


def test_no_step_computed_statistics_over_samples(project, first):
    import tensorflow_data_validation as tfdv

    folder = artifact(project, "StatisticsGen", "statistics")
    statistics = tfdv.load_stats_binary(str(folder / "Split-train" / "FeatureStats.pb"))
    described = {feature.path.step[0] for feature in statistics.datasets[0].features}
    assert described == {*nsynth.FEATURES, *nsynth.SOUND_FEATURES} - {nsynth.AUDIO}


def test_no_intermediate_artifact_is_gzipped(project, first):
    artifacts = project.workspace / "artifacts"
    assert not list(artifacts.rglob("*.gz"))
    assert list((artifacts / "ExampleGen").rglob("data_tfrecord-*"))
    assert list((artifacts / "Transform").rglob("transformed_examples-*"))


def test_the_gate_judged_instruments_that_were_not_trained_on(project, first):
    from components.predictions import Predictions

    judged = set(Predictions.load(str(artifact(project, "Predictor", "predictions"))).instrument_str)
    rows = (project.workspace / "data" / "corpus.csv").read_text().splitlines()
    trained = {row.split(",")[1] for row in rows[1:] if row.startswith("train,")}
    assert judged
    assert trained
    assert not judged & trained


def test_the_pushed_model_lies_as_a_server_wants_it(project, first):
    [version] = project.versions()
    assert (version / "saved_model.pb").exists()
    assert version.name in first.stdout


def test_the_notebook_shows_the_run(project, first):
    notebook = nbformat.read(PROJECT / "docs" / "inside_a_run.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(project.folder)}})
    client.execute(env={**os.environ, "NSYNTH_CONFIG": "configs/tiny.yaml"})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert "".join(output.get("text", "") for output in outputs).count("%") > 3


def test_a_second_run_takes_everything_from_the_cache(project, first):
    code = (
        "import sys; from pipeline.cli.main import main\n"
        "try: main()\nexcept SystemExit as leave: assert not leave.code, leave.code\n"
        "there = (sys.modules.get(name) for name in ('tensorflow', 'tfx.components', 'keras'))\n"
        "loaded = [module.__name__ for module in there if module and type(module).__name__ != 'OnDemand']\n"
        "assert not loaded, loaded"
    )
    command = [sys.executable, "-c", code, "run", "--config", "configs/tiny.yaml"]
    again = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=1200)
    assert again.returncode == exit_codes.OK, again.stdout + again.stderr
    assert project.states() == dict.fromkeys(STEPS, "CACHED")
    assert len(project.versions()) == 1


def test_after_a_changed_line_ctrl_c_and_a_deleted_artifact_the_same_command_makes_what_is_lacking(
    project, first
):
    source = project.folder / "transform" / "log_mel.py"
    source.write_text(source.read_text() + "\n# a comment counts as a change\n")
    versions, logs = project.versions(), project.workspace / "logs"
    graph = artifact(project, "Transform", "transform_graph")
    earlier = set(logs.glob("*.log"))
    interrupted = project.start("run", "--config", "configs/tiny.yaml")
    while not any(
        "Component Transform is running" in log.read_text() for log in {*logs.glob("*.log")} - earlier
    ):
        assert interrupted.poll() is None, interrupted.communicate()
        time.sleep(0.1)
    interrupted.send_signal(signal.SIGINT)
    _, message = interrupted.communicate(timeout=600)
    assert interrupted.returncode == exit_codes.INTERRUPTED, message
    assert message.strip().startswith("Interrupted.")
    assert project.versions() == versions

    anomalies = artifact(project, "ExampleValidator", "anomalies")
    shutil.rmtree(anomalies)
    again = project.run()
    assert again.returncode in (exit_codes.OK, exit_codes.NOT_BLESSED), again.stdout + again.stderr
    assert "ExampleGen           cached" in again.stdout
    states = project.states()
    states.pop("Transform")  # by now, or an interrupt that came late let it end
    assert artifact(project, "Transform", "transform_graph") != graph
    cached = {"ExampleGen", "Schema", "StatisticsGen"}
    assert {step for step, state in states.items() if state == "CACHED"} == cached
    assert artifact(project, "ExampleValidator", "anomalies").is_dir()
    assert len(project.versions()) == len(versions) + (again.returncode == exit_codes.OK)


def test_spans_that_were_rendered_for_it_are_retrained_on_in_a_bucket(project, first, s3):
    rendered = project.nsynth("corpus", "--spans", "2", "--size", "4", "--out", "deliveries")
    assert rendered.returncode == exit_codes.OK, rendered.stdout + rendered.stderr
    command = rendered.stdout.split("To train on them: nsynth ")[1]
    words = shlex.split(command.replace("deliveries", s3.upload(project.folder / "deliveries", "deliveries")))
    assert any(word.startswith("retrain.holdout=s3://") for word in words)
    tiny = ("--config", "configs/tiny.yaml", "--set", "retrain.settle_s=0")
    answer = project.nsynth(*words, *tiny)
    assert answer.returncode in (exit_codes.OK, exit_codes.NOT_BLESSED), answer.stdout + answer.stderr
    assert project.nsynth(*words, *tiny).returncode == exit_codes.NO_NEW_DATA

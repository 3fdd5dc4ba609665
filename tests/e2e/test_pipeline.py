"""The real pipeline on rendered notes: what a run leaves, what a second one reuses, what a change runs again.

The tests stand in the order of the story; each run takes up where the one before it ended.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
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
AFTER_DATA = STEPS[STEPS.index("Trainer") :]


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
    versions = [folder for folder in (project.workspace / "models").iterdir() if folder.name.isdecimal()]
    assert len(versions) == 1
    assert (versions[0] / "saved_model.pb").exists()
    assert str(versions[0].name) in first.stdout


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
    assert len(list((project.workspace / "models").glob("[0-9]*"))) == 1


def test_a_deleted_artifact_is_made_again(project, first):
    shutil.rmtree(artifact(project, "Gate", "report"))
    answer = project.run()
    assert answer.returncode == exit_codes.OK, answer.stdout + answer.stderr
    states = project.states()
    assert states.pop("Gate") == states.pop("Pusher") == "COMPLETE"
    assert set(states.values()) == {"CACHED"}
    assert artifact(project, "Gate", "report").is_dir()


def test_a_changed_line_of_the_trainer_runs_it_and_what_follows(project, first):
    source = project.folder / "trainer" / "model.py"
    source.write_text(source.read_text() + "\n# a comment counts as a change\n")
    answer = project.run()
    assert answer.returncode in (exit_codes.OK, exit_codes.NOT_BLESSED), answer.stdout + answer.stderr
    states = project.states()
    assert [step for step in STEPS if states[step] == "COMPLETE"] == AFTER_DATA


def test_a_changed_line_of_the_spectrogram_runs_transform_and_what_follows(project, first):
    source = project.folder / "transform" / "log_mel.py"
    source.write_text(source.read_text() + "\n# a comment counts as a change\n")
    project.run()
    states = project.states()
    assert next(step for step in STEPS if states[step] == "COMPLETE") == "Transform"
    assert states["ExampleGen"] == states["StatisticsGen"] == states["DataGate"] == "CACHED"


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

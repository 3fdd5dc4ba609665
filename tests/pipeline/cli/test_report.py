"""`nsynth report`, `nsynth runs` and `nsynth lineage` on past runs."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

import nsynth
from components.registry import Registry
from components.version import Record
from pipeline.cli import main
from pipeline.cli.lineage import tree
from pipeline.cli.runs import list_runs, table
from pipeline.fingerprint import step_fingerprint
from pipeline.history import past_runs
from pipeline.history.endings import record_ending
from pipeline.history.lineage import trace, unchanged
from tests.pipeline.report.past_run import Told, write_run
from tests.pipeline.report.workspace import RUN, Workspace

LATER = "2026-03-02T10:00:00.000000"
FAILED = "2026-03-03T10:00:00.000000"


@pytest.fixture(scope="module")
def past(tmp_path_factory) -> Workspace:
    """Three runs: pushed, all from the cache, and failed in Transform."""
    workspace = Workspace(tmp_path_factory.mktemp("past") / "workspace")
    write_run(workspace)
    first = past_runs.load_run(workspace.store)
    for step in first.steps.values():
        read, made = (
            {key: [o.id for o in outputs] for key, outputs in by_key.items()}
            for by_key in (step.inputs, step.outputs)
        )
        workspace.step(step.name, read, made, state="CACHED", run=LATER)
    workspace.step("ExampleGen", {}, {}, run=FAILED)
    workspace.step("Transform", {}, {}, state="FAILED", run=FAILED)
    return workspace


@pytest.fixture
def call(past):
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(
            main.cli,
            [*arguments, "--set", f"workspace={past.config.workspace}"],
            obj={"verbose": False},
            standalone_mode=False,
            env={"COLUMNS": "120"},  # whatever the terminal of the tests is
        )
        if result.exception:
            raise result.exception
        return result.stdout

    return run


def test_runs_are_listed_with_their_verdicts_the_newest_first(call, past):
    failed, cached, first = json.loads(call("runs", "--json"))
    assert [row["run"] for row in (failed, cached, first)] == [FAILED, LATER, RUN]
    assert [row["outcome"] for row in (failed, cached, first)] == ["failed", "pushed", "pushed"]
    assert failed["failed_step"] == "Transform"
    assert first["verdict"].startswith("blessed: accuracy 90.9%")
    assert first["accuracy"]["low"] < first["accuracy"]["value"] < first["accuracy"]["high"]
    assert first["version"] == Registry(past.config.models).serving().number
    lines = call("runs").splitlines()
    assert "Transform failed" in next(line for line in lines if "03-03T10:00:00" in line)
    assert "all cached" in next(line for line in lines if "03-02T10:00:00" in line)
    assert "90.9% (" in next(line for line in lines if "03-01T10:00:00" in line)
    assert len(json.loads(call("runs", "--json", "--limit", "1"))) == 1


@pytest.mark.slow
def test_a_report_of_any_past_run_by_the_beginning_of_its_name(call, past, tmp_path):
    said = call("report", "2026-03-01", "--out", str(tmp_path / "page.html"))
    assert said.startswith(f"{tmp_path / 'page.html'} (")
    assert "run of 1 Mar 2026, 10:00 UTC" in (tmp_path / "page.html").read_text()
    call("report")
    newest = past.config.workspace / "reports" / "2026-03-03T100000.000000.html"
    assert "The run failed in Transform." in newest.read_text()


LOOKING = (
    ["runs"], ["models"], ["models", "show"], ["lineage", "1"], ["status"], ["gc"], ["report", RUN],
)  # fmt: skip


@pytest.mark.slow
def test_looking_at_what_is_there_loads_neither_tensorflow_nor_tfx(past):
    """One after the other in one process: what one of them loads is there after it."""
    code = (
        "import sys\nfrom pipeline.cli.main import main\n"
        f"for command in {LOOKING}:\n"
        f"    sys.argv = ['nsynth', *command, '--set', 'workspace={past.config.workspace}']\n"
        "    try: main()\n"
        "    except SystemExit as leave: assert not leave.code, (command, leave.code)\n"
        "    slow = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'tensorflow_data_validation'} & set(sys.modules)\n"
        "    assert not slow, (command, slow)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_runs_that_are_not_there_or_not_clear(call, tmp_path):
    with pytest.raises(nsynth.UserError, match=f"no run 2027; known: {FAILED}"):
        call("report", "2027")
    with pytest.raises(nsynth.UserError, match="3 runs begin with 2026-03"):
        call("report", "2026-03")
    for command in (["runs"], ["report"], ["lineage", "1"]):
        with pytest.raises(nsynth.UserError, match="no run yet"):
            CliRunner().invoke(
                main.cli,
                [*command, "--set", f"workspace={tmp_path / 'new'}"],
                obj={"verbose": False},
                standalone_mode=False,
                catch_exceptions=False,
            )


def test_a_version_is_followed_back_to_data_and_code(call, past):
    version = Registry(past.config.models).serving()
    told = json.loads(call("lineage", str(version.number), "--json"))
    assert told["version"]["version"] == version.number
    assert told["artifact"]["id"] == version.record.model_id
    assert told["run"] == RUN, "the run that made it, not the one that took it from the cache"
    assert [step["step"] for step in told["steps"]] == ["ExampleGen", "Transform", "Trainer"]
    assert [step["code"] for step in told["steps"]] == ["0" * 16, "1" * 16, "2" * 16]
    assert {step["unchanged"] for step in told["steps"]} == {False}
    [source] = told["sources"]
    assert (source["folder"], source["span"], source["notes"], source["used"]) == ("data", 3, 45, 44)
    assert source["fingerprint"] == "split:x,num_files:1"
    assert told["recipe"]["size"] == "tiny"
    assert told["read_by"] == ["Predictor", "Canary", "Pusher"]


def test_the_answer_in_words(call, past):
    version = Registry(past.config.models).serving()
    said = " ".join(call("lineage", str(version.number)).split())
    for words in (
        f"version {version.number}, pushed",
        "verdict blessed: well",
        "data data: span 3, 44 of 45 notes used, from nsynth-train.tfrecord (45)",
        "code Trainer 2222222222222222 (changed since)",
        "from Trainer",
        "files in data, span 3",
    ):
        assert words in said, said


def test_an_artifact_by_id_and_by_folder(call, past):
    folder = past.config.artifacts / "Transform" / "transformed_examples" / "1"
    by_folder = json.loads(call("lineage", str(folder), "--json"))
    by_id = json.loads(call("lineage", str(by_folder["artifact"]["id"]), "--json"))
    assert by_folder == by_id
    assert [step["step"] for step in by_id["steps"]] == ["ExampleGen", "Transform"]
    assert by_id["version"] is None
    assert by_id["recipe"] is None


@pytest.mark.parametrize("named", ["4711", "99999999999999", "nowhere/model/3"])
def test_what_is_not_there_is_said(call, past, named):
    number = Registry(past.config.models).serving().number
    with pytest.raises(nsynth.UserError, match=rf"{named} is neither an artifact .* \(there are: {number}\)"):
        call("lineage", named)


def test_of_a_version_from_a_cluster_the_run_is_named(call, past):
    folder = Path(past.config.models, "6")
    record = Record(
        version=6,
        model_uri="minio://b/nsynth/1f2e/Trainer/7/model",
        run="1f2e",
        run_name="night",
        run_page="http://kf/#/1f2e",
    )
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"m")
    (folder / "assets.extra" / "nsynth.json").write_text(record.model_dump_json())
    try:
        with pytest.raises(
            nsynth.UserError, match=r"run night, id 1f2e \(http://kf/#/1f2e\), from minio://b/nsynth"
        ):
            call("lineage", "6")
    finally:
        shutil.rmtree(folder)


def test_a_version_from_elsewhere_is_not_guessed_at(call, past, tmp_path):
    stock = Path(past.config.models, "5")
    stock.mkdir()
    (stock / "saved_model.pb").write_bytes(b"stock")
    try:
        with pytest.raises(nsynth.UserError, match="version 5 was not made in this history"):
            call("lineage", "5")
    finally:
        shutil.rmtree(stock)


def test_what_is_reached_on_two_ways_is_followed_once(past):
    pushed = next(a for a in past.store.get_artifacts_by_type("PushedModel"))
    origin = trace(past.store, past_runs.find_artifact(past.store, pushed.id))
    ids = [each.artifact.id for each in origin.ancestors()]
    assert len(ids) == len(set(ids))
    model = next(each for each in origin.inputs if each.artifact.type == "Model")
    report = next(each for each in origin.inputs if each.artifact.type == "ModelEvaluation")
    [answered] = report.inputs
    assert any(each is model for each in answered.inputs)


def test_a_cache_of_other_notes_is_no_origin(tmp_path):
    """Transform reads what it kept in an earlier round, of spans that have left the window since."""
    workspace = Workspace(tmp_path / "workspace")
    old, cache, new, made = (
        workspace.artifact(kind, workspace.folder("Step", "key", number))
        for number, kind in enumerate(("Examples", "TransformCache", "Examples", "TransformGraph"))
    )
    workspace.step("ExampleGen-000001", {}, {"examples": [old]})
    workspace.step("Transform", {"examples": [old]}, {"cache": [cache]})
    workspace.step("ExampleGen-000002", {}, {"examples": [new]}, run=LATER)
    workspace.step("Transform", {"examples": [new], "cache": [cache]}, {"graph": [made]}, run=LATER)
    origin = trace(workspace.store, past_runs.find_artifact(workspace.store, made))
    assert [step.name for _, step in origin.steps()] == ["ExampleGen-000002", "Transform"]


def test_what_housekeeping_removed_is_told_as_such(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    notes, model = (
        workspace.artifact(kind, workspace.folder("Step", "key", number))
        for number, kind in enumerate(("Examples", "Model"))
    )
    workspace.step("ExampleGen", {}, {"examples": [notes]})
    workspace.step("Trainer", {"examples": [notes]}, {"model": [model]})
    [artifact] = workspace.store.get_artifacts_by_id([notes])
    artifact.state = mlmd.Artifact.DELETED
    workspace.store.put_artifacts([artifact])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(tree(trace(workspace.store, past_runs.find_artifact(workspace.store, model))))
    said = console.export_text()
    assert f"Examples #{notes} from ExampleGen, removed" in said
    assert f"Model #{model} from Trainer" in said


def test_of_a_cleaned_up_run_that_was_pushed_the_version_still_knows(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    shutil.rmtree(workspace.config.artifacts)
    [row] = list_runs(workspace.config, 5)
    assert (row["outcome"], row["verdict"], row["accuracy"]["value"]) == ("pushed", "blessed: well", 0.9)


@pytest.mark.parametrize("state", ["FAILED", "RUNNING"])
def test_an_interrupted_run_is_no_failed_one(tmp_path, state):
    workspace = Workspace(tmp_path / "workspace")
    with contextlib.suppress(KeyboardInterrupt), record_ending(workspace.config.metadata, "{}"):
        workspace.step("ExampleGen", {}, {})
        workspace.step("Transform", {}, {}, state=state)
        raise KeyboardInterrupt
    [row] = list_runs(workspace.config, 5)
    assert row["outcome"] == "interrupted"
    shown = io.StringIO()
    Console(file=shown, width=100).print(table([row]))
    assert "failed" not in shown.getvalue()
    assert "in Transform" in shown.getvalue()


def test_an_imported_artifact_has_no_maker(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    number = workspace.artifact("TransformCache", workspace.folder("EarlierCache", "result"))
    origin = trace(workspace.store, past_runs.find_artifact(workspace.store, number))
    assert (origin.step, origin.run, origin.inputs, origin.steps()) == (None, "", (), [])


def test_reports_of_failed_pushes_name_no_version(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, Told(blessed=False, pushed=False))
    [row] = list_runs(workspace.config, 5)
    assert (row["outcome"], row["version"]) == ("not pushed", None)
    assert "accuracy" in row["failed_checks"]


@pytest.mark.parametrize(
    "name",
    ["ExampleGen-000007", "HeldOut", "BulkNotes", "WarmStart", "Serving", "GateNewest", "PredictorNewest"],
)
def test_of_every_step_of_ours_it_is_known_whether_its_code_is_the_same(name):
    kind = {
        "HeldOut": "ExampleGen",
        "BulkNotes": "ExampleGen",
        "WarmStart": "Champion",
        "Serving": "Champion",
    }
    code = step_fingerprint(kind.get(name, name.removesuffix("-000007").removesuffix("Newest")))
    same, other = (
        past_runs.Step(name, "COMPLETE", 1.0, 1, properties={"code": found}) for found in (code, "0" * 16)
    )
    assert unchanged(same) is True
    assert unchanged(other) is False
    assert unchanged(past_runs.Step("StatisticsGen", "COMPLETE", 1.0, 1)) is None

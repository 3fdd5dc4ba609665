"""`nsynth kubeflow`: what each command does and prints, with a stand-in for the slow compilation."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fake_api import FakeApi, serve
from test_lint import GOOD

import nsynth
from kubeflow import cli
from kubeflow.kept import kept_or_compiled
from kubeflow.package import Package, read
from pipeline.config import load_config

SPEC = {
    "pipelineInfo": {"name": "nsynth"},
    "schemaVersion": "2.1.0",
    "root": {
        "inputDefinitions": {
            "parameters": {"data": {"defaultValue": "/data"}, "range_config": {"defaultValue": ""}}
        }
    },
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.setattr(cli, "_compile", lambda *_, **__: Package(SPEC, {}))
    monkeypatch.setenv("COLUMNS", "200")
    with serve(FakeApi()) as server:
        yield server


def call(*args: str) -> Result:
    return CliRunner().invoke(cli.kubeflow, args, obj={"verbose": False}, catch_exceptions=True)


def test_compile_writes_a_file_and_tells_the_parameters(api: FakeApi, tmp_path: Path) -> None:
    result = call("compile", "-o", str(tmp_path / "p.yaml"))
    assert read(tmp_path / "p.yaml") == Package(SPEC, {})
    assert "--param data=/data" in result.output


def test_submit_uploads_and_starts(api: FakeApi) -> None:
    result = call("submit", "--host", api.url, "--param", "data=/data/new", "--span", "7", "--name", "try")
    assert result.exit_code == 0, result.output
    (run,) = api.runs
    assert run["display_name"] == "try"
    assert run["service_account"] == "nsynth-pipeline"
    assert run["runtime_config"]["parameters"]["data"] == "/data/new"
    span = json.loads(run["runtime_config"]["parameters"]["range_config"])
    assert span == {"staticRange": {"startSpanNumber": 7, "endSpanNumber": 7}}
    assert f"{api.url}/#/runs/details/r1" in result.output


def test_submit_can_train_although_nothing_is_new(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = {"data": {"defaultValue": "/data"}, "force": {"defaultValue": False}}
    spec = {**SPEC, "root": {"inputDefinitions": {"parameters": known}}}
    monkeypatch.setattr(cli, "_compile", lambda *_, **__: Package(spec, {}))
    for arguments in (["--force"], ["--param", "force=true"], ["--param", "force=false"]):
        call("submit", "--host", api.url, *arguments)
    given = [run["runtime_config"]["parameters"]["force"] for run in api.runs]
    assert given == [True, True, False]
    assert "write true or false" in str(call("submit", "--host", api.url, "--param", "force=1").exception)


def test_submit_can_wait_for_the_end(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    result = call("submit", "--host", api.url, "--wait")
    assert result.exit_code == 0
    assert [line.split(",")[0] for line in result.output.splitlines()[1:]] == [
        "pending",
        "running",
        "succeeded",
    ]


def test_a_run_that_fails_is_an_error_for_who_waits(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    api.run_states = ["RUNNING", "FAILED"]
    result = call("submit", "--host", api.url, "--wait", "--name", "try")
    assert isinstance(result.exception, nsynth.UserError)
    assert "the run try has failed" in str(result.exception)


def test_a_compiled_file_can_be_submitted(api: FakeApi, tmp_path: Path) -> None:
    Package({**GOOD.spec, "pipelineInfo": {"name": "other"}}, {}).write(tmp_path / "p.yaml")
    call("submit", "--host", api.url, "--package", str(tmp_path / "p.yaml"))
    assert [p["display_name"] for p in api.pipelines] == ["other"]


def test_a_file_that_kubeflow_would_refuse_is_not_sent(api: FakeApi, tmp_path: Path) -> None:
    Package({**GOOD.spec, "schemaVersion": "2.0.0"}, {}).write(tmp_path / "old.yaml")
    Package({"pipelineSpec": GOOD.spec}, {}).write(tmp_path / "job.yaml")
    for name, expected in (("old", "schema version 2.0.0"), ("job", "is for Vertex AI")):
        result = call("submit", "--host", api.url, "--package", str(tmp_path / f"{name}.yaml"))
        assert expected in str(result.exception)
    assert {method for method, *_ in api.requests} <= {"GET"}


def test_schedule_by_default_runs_nightly_one_at_a_time_without_catching_up(api: FakeApi) -> None:
    result = call("schedule", "--host", api.url)
    assert result.exit_code == 0, result.output
    (made,) = api.recurring
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert (made["max_concurrency"], made["no_catchup"], made["display_name"]) == ("1", True, "nsynth")
    assert "pipeline_version_id" not in made["pipeline_version_reference"]


def test_schedules_and_runs_are_listed(api: FakeApi) -> None:
    call("schedule", "--host", api.url, "--cron", "0 30 4 * * 1", "--name", "weekly")
    call("submit", "--host", api.url, "--name", "try")
    heading, row = [
        line.split()
        for line in call("schedules", "--host", api.url).output.splitlines()
        if "─" not in line and line.strip()
    ]
    assert heading == ["schedule", "state", "cron", "(seconds", "first)", "name"]
    assert row == ["s1", "enabled", *["0", "30", "4", "*", "*", "1"], "weekly"]
    heading, row = [
        line.split()
        for line in call("runs", "--host", api.url).output.splitlines()
        if "─" not in line and line.strip()
    ]
    assert heading == ["run", "state", "created", "(UTC)", "time", "name"]
    assert row[:3] == ["r1", "pending", "2026-01-02"]
    assert row[-1] == "try"


def test_what_is_not_there_yet_is_said(api: FakeApi) -> None:
    assert "has no runs yet" in call("runs", "--host", api.url).output
    assert "has no schedules yet" in call("schedules", "--host", api.url).output


def test_the_next_three_times_are_told_with_their_zone(api: FakeApi) -> None:
    lines = call("schedule", "--host", api.url, "--cron", "0 0 3 * * *").output.splitlines()[1:]
    assert "next runs (UTC" in lines[0]
    assert [line.split()[-2:] for line in lines[1:]] == [["03:00:00", "UTC"]] * 3


def failed_run(api: FakeApi) -> None:
    """A run of which one step has failed."""
    call("submit", "--host", api.url, "--name", "try")
    api.run_states = ["FAILED"]
    api.runs[0]["finished_at"] = "2026-01-02T03:14:00Z"
    task = {"start_time": "2026-01-02T03:05:00Z", "end_time": "2026-01-02T03:06:30Z", "state": "SUCCEEDED"}
    error = {"code": 2, "message": "executor exited with status 5"}
    later = {
        "start_time": "2026-01-02T03:07:00Z",
        "end_time": "2026-01-02T03:08:00Z",
        "state": "FAILED",
        "error": error,
    }
    waiting = {"start_time": "1970-01-01T00:00:00Z", "state": "PENDING"}
    names = {
        "DataGate": later,
        "ExampleGen": task,
        "Trainer": waiting,
        "ExampleGen-driver": task,
        "root": task,
    }
    api.runs[0]["run_details"] = {
        "task_details": [{"display_name": n, **facts} for n, facts in names.items()]
    }


@pytest.mark.parametrize("named", ["r1", "try"])
def test_a_run_is_shown_with_its_steps_and_why_it_stopped(api: FakeApi, named: str) -> None:
    failed_run(api)
    told = json.loads(call("show", named, "--host", api.url, "--json").output)
    assert [(s["step"], s["state"], s["seconds"]) for s in told["steps"]] == [
        ("ExampleGen", "SUCCEEDED", 90.0), ("DataGate", "FAILED", 60.0), ("Trainer", "PENDING", None),
    ]  # fmt: skip
    assert told["why"] == "DataGate failed: executor exited with status 5"
    assert (told["run"], told["state"], told["page"]) == ("r1", "FAILED", f"{api.url}/#/runs/details/r1")
    shown = call("show", named, "--host", api.url).output
    for expected in ("step", "0:01:30", "executor exited with status 5", told["page"]):
        assert expected in shown


def test_a_run_that_is_not_there(api: FakeApi) -> None:
    assert "does not know this" in str(call("show", "r9", "--host", api.url).exception)


def test_a_run_can_be_canceled(api: FakeApi) -> None:
    call("submit", "--host", api.url, "--name", "try")
    assert "is being canceled" in call("cancel", "try", "--host", api.url).output
    assert api.sent("POST", "/runs/r1:terminate") == [None]
    api.run_states = ["SUCCEEDED"]
    assert "has already succeeded" in call("cancel", "r1", "--host", api.url).output
    assert len(api.sent("POST", "/runs/r1:terminate")) == 1


def test_a_schedule_can_be_paused_resumed_and_deleted(api: FakeApi) -> None:
    call("schedule", "--host", api.url, "--name", "weekly")
    for action, status in (("pause", "DISABLED"), ("resume", "ENABLED")):
        told = json.loads(call(action, "weekly", "--host", api.url, "--json").output)
        assert (told["schedule"], told["state"]) == ("s1", status)
        assert json.loads(call("schedules", "--host", api.url, "--json").output)[0]["state"] == status
    assert "is deleted" in call("delete", "s1", "--host", api.url).output
    assert api.recurring == []
    assert "has no schedule weekly (it has: none)" in str(
        call("pause", "weekly", "--host", api.url).exception
    )


def test_every_command_answers_in_json(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    for args in (
        ["compile", "-o", str(tmp_path / "p.yaml")],
        ["schedule", "--host", api.url],
        ["submit", "--host", api.url, "--wait"],
        *([name, "--host", api.url] for name in ("runs", "schedules")),
        *(["show", "r1", "--host", api.url], ["cancel", "r1", "--host", api.url]),
        *([name, "s1", "--host", api.url] for name in ("pause", "resume", "delete")),
        ["fingerprint"],
    ):
        result = call(*args, "--json")
        assert result.exit_code == 0, (args, result.exception)
        json.loads(result.output)


def test_what_has_not_changed_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled: list[str] = []

    def compile_(text: str) -> Package:
        compiled.append(text)
        return Package({**SPEC, "sdkVersion": text}, {})

    config = load_config(overrides=["data=/data"])
    other = load_config(overrides=["data=/data/other"])
    for wanted in (config, other, config):
        package = kept_or_compiled(wanted, "kfp", lambda wanted=wanted: compile_(str(wanted.data)))
        assert package.spec["sdkVersion"] == str(wanted.data)
    assert compiled == ["/data", "/data/other"]
    for kept in (tmp_path / "nsynth" / "compiled").iterdir():
        kept.write_text("damaged: [")
    kept_or_compiled(config, "kfp", lambda: compile_("again"))
    kept_or_compiled(config, "vertex", lambda: compile_("vertex"))
    assert compiled[2:] == ["again", "vertex"]


def test_who_has_no_folder_to_keep_it_in_compiles_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # cannot be a folder
    config = load_config(overrides=["data=/data"])
    assert kept_or_compiled(config, "kfp", lambda: Package(SPEC, {})) == Package(SPEC, {})
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert kept_or_compiled(config, "kfp", lambda: Package(SPEC, {})) == Package(SPEC, {})


@pytest.mark.parametrize("what", ["submit", "schedule"])
def test_a_dry_run_sends_nothing(api: FakeApi, what: str) -> None:
    result = call(what, "--host", api.url, "--dry-run", "--param", "data=/elsewhere")
    told = json.loads(result.output)
    assert list(told.values())[-1]["runtime_config"]["parameters"] == {"data": "/elsewhere"}
    assert told["upload"]["pipeline"] == "nsynth"
    assert api.requests == []


@pytest.mark.parametrize("command", ["submit", "schedule", "runs", "schedules"])
def test_who_may_not_is_told_before_anything_slow(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health is answered without a token; what is asked next is not."""
    monkeypatch.setattr(cli, "_compile", lambda *_, **__: pytest.fail("compiled"))
    with serve(FakeApi(token="letmein", multi_user=True)) as server:
        result = call(command, "--host", server.url, "--namespace", "team-a")
        assert "missing or has expired" in str(result.exception)
    with serve(FakeApi(multi_user=True)) as server:
        assert "no rights in namespace b" in str(
            call(command, "--host", server.url, "--namespace", "b").exception
        )


def test_the_token_comes_from_a_file(tmp_path: Path, api: FakeApi) -> None:
    api.token = "letmein"
    (tmp_path / "token").write_text("letmein\n")
    assert call("runs", "--host", api.url, "--token-file", str(tmp_path / "token")).exit_code == 0
    refused = call("runs", "--host", api.url)
    assert "missing or has expired" in str(refused.exception)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["submit"], "no host is given"),
        (["submit", "--host", "HOST", "--param", "nonsense=1"], "no parameter nonsense .it has: data"),
        (["submit", "--host", "HOST", "--param", "data"], "write key=value"),
        (["submit", "--host", "HOST", "--package", "/nowhere.yaml"], "cannot read /nowhere.yaml"),
        (["schedule", "--host", "HOST", "--cron", "0 3 * * *"], "six fields, seconds first"),
        (["runs", "--host", "localhost:8080"], "not the address of an API"),
        (["runs", "--host", "HOST", "--token-file", "/nowhere"], "cannot read the token"),
    ],
)
def test_what_is_refused(
    api: FakeApi, args: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    result = call(*[api.url if arg == "HOST" else arg for arg in args])
    assert isinstance(result.exception, nsynth.UserError)
    with pytest.raises(nsynth.UserError, match=expected):
        raise result.exception
    assert api.runs == api.recurring == []


def test_who_cannot_be_reached_is_told_before_the_slow_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_compile", lambda *_, **__: pytest.fail("compiled"))
    result = call("submit", "--host", "http://127.0.0.1:1")
    assert isinstance(result.exception, nsynth.UserError)
    assert "cannot be reached" in str(result.exception)


UNREACHED = """
import sys
from click.testing import CliRunner
from kubeflow.cli import kubeflow
from nsynth import UserError
COMMANDS = (
    ["submit"], ["submit", "--package", "p.yaml"], ["schedule"], ["runs"], ["show", "r1"], ["cancel", "r1"],
    ["schedules"], ["pause", "s1"], ["resume", "s1"], ["delete", "s1"],
)
for name, *rest in COMMANDS:
    result = CliRunner().invoke(kubeflow, [name, *rest, "--host", "http://127.0.0.1:1"], obj={"verbose": False})
    assert isinstance(result.exception, UserError), (name, result.exception)
    assert "cannot be reached" in str(result.exception), (name, result.exception)
    heavy = {"kfp", "kfp_server_api", "tfx", "tensorflow", "ml_metadata"} & set(sys.modules)
    assert not heavy, (name, heavy)
"""


def test_every_command_contacts_the_server_before_it_imports_anything_slow() -> None:
    done = subprocess.run([sys.executable, "-c", UNREACHED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_fingerprint_changes_with_the_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = call("fingerprint").output.strip()
    assert len(first) == 16
    assert call("fingerprint").output.strip() == first


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from kubeflow.cli import kubeflow; kubeflow(['submit', '--help'], standalone_mode=False); "
        "assert not {'kfp', 'tfx', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout

"""The client against a server that speaks the API: what is sent, and what the user is told when things go wrong."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeApi, serve

import nsynth
from kubeflow import client, connection
from kubeflow.client import Pipelines, Schedule, Submission, preview
from kubeflow.connection import Server, knock
from kubeflow.package import Package

REQUEST = Submission("nsynth", "first", {"data": "/data/new"}, "minio://b/root", "runner")
NIGHTLY = Schedule(
    "nsynth",
    "nightly",
    {},
    "minio://b/root",
    "runner",
    cron="0 0 3 * * *",
    max_concurrency=1,
    no_catchup=True,
)


def package(text: str = "a") -> Package:
    """A package; the text makes a version."""
    return Package(
        {"pipelineInfo": {"name": "nsynth"}, "schemaVersion": "2.1.0", "sdkVersion": text, "root": {}}, {}
    )


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with serve(FakeApi()) as server:
        yield server


def send(api: FakeApi, tmp_path: Path, text: str = "a") -> tuple[Pipelines, str, str]:
    """Uploads a package; answers the client and the ids."""
    pipelines = Pipelines(Server(api.url))
    return pipelines, *pipelines.upload(package(text), tmp_path)


def test_a_new_pipeline_is_uploaded_with_its_version(api: FakeApi, tmp_path: Path) -> None:
    _, pipeline_id, version_id = send(api, tmp_path)
    assert [p["display_name"] for p in api.pipelines] == ["nsynth"]
    newest = api.versions[0]
    assert (newest["pipeline_id"], newest["pipeline_version_id"]) == (pipeline_id, version_id)
    assert newest["display_name"] == package().version
    assert api.sent("POST", "/pipelines/upload_version") == [package().text()]


def test_the_same_content_is_not_uploaded_twice(api: FakeApi, tmp_path: Path) -> None:
    first = send(api, tmp_path)[1:]
    assert send(api, tmp_path)[1:] == first
    assert len(api.sent("POST", "/pipelines/upload_version")) == 1


def test_new_content_becomes_the_latest_version(api: FakeApi, tmp_path: Path) -> None:
    first = send(api, tmp_path)[2]
    second = send(api, tmp_path, "b")[2]
    assert api.versions[0]["pipeline_version_id"] == second != first
    assert len(api.pipelines) == 1


def test_an_old_version_is_found_on_a_later_page(api: FakeApi, tmp_path: Path) -> None:
    first = send(api, tmp_path, "0")[2]
    for text in "123":
        send(api, tmp_path, text)
    api.page_size = 2
    assert send(api, tmp_path, "0")[2] == first


def test_a_run_carries_version_parameters_root_and_account(api: FakeApi, tmp_path: Path) -> None:
    pipelines, pipeline_id, version_id = send(api, tmp_path)
    run_id = pipelines.submit(pipeline_id, version_id, REQUEST)
    (body,) = api.sent("POST", "/runs")
    assert run_id == "r1"
    assert body == {
        "display_name": "first",
        "experiment_id": api.experiments[0]["experiment_id"],
        "pipeline_version_reference": {"pipeline_id": pipeline_id, "pipeline_version_id": version_id},
        "runtime_config": {"parameters": {"data": "/data/new"}, "pipeline_root": "minio://b/root"},
        "service_account": "runner",
    }


def test_an_experiment_is_made_once(api: FakeApi, tmp_path: Path) -> None:
    pipelines, *ids = send(api, tmp_path)
    pipelines.submit(*ids, REQUEST)
    pipelines.submit(*ids, REQUEST)
    assert [e["display_name"] for e in api.experiments] == ["nsynth"]


def test_a_schedule_follows_the_latest_version(api: FakeApi, tmp_path: Path) -> None:
    pipelines, pipeline_id, _ = send(api, tmp_path)
    pipelines.schedule(pipeline_id, NIGHTLY)
    (body,) = api.sent("POST", "/recurringruns")
    assert body == {
        "display_name": "nightly",
        "experiment_id": api.experiments[0]["experiment_id"],
        "mode": "ENABLE",
        "pipeline_version_reference": {"pipeline_id": pipeline_id},  # no version: the server takes the latest
        "runtime_config": {"parameters": {}, "pipeline_root": "minio://b/root"},
        "trigger": {"cron_schedule": {"cron": "0 0 3 * * *"}},
        "max_concurrency": "1",
        "no_catchup": True,
        "service_account": "runner",
    }


def test_what_a_schedule_starts_follows_the_uploads(api: FakeApi, tmp_path: Path) -> None:
    pipelines, pipeline_id, first = send(api, tmp_path)
    pipelines.schedule(pipeline_id, NIGHTLY)
    api.tick()
    second = send(api, tmp_path, "b")[2]
    api.tick()
    ran = [run["pipeline_version_reference"]["pipeline_version_id"] for run in api.runs]
    assert ran == [first, second]


def test_scheduling_older_content_makes_it_the_latest_again(api: FakeApi, tmp_path: Path) -> None:
    pipelines, pipeline_id, first = send(api, tmp_path, "a")
    send(api, tmp_path, "b")
    again = pipelines.upload(package("a"), tmp_path, latest=True)
    assert again != (pipeline_id, first)
    assert pipelines.upload(package("a"), tmp_path, latest=True) == again  # it is the latest now
    send(api, tmp_path, "c")
    pipelines.upload(package("a"), tmp_path, latest=True)
    newest = api.versions[0]["display_name"]
    assert newest == f"{package('a').version}.again-3"
    assert api.sent("POST", "/pipelines/upload_version")[-1] == package("a").text()


def test_a_single_run_of_older_content_leaves_the_latest_as_it_is(api: FakeApi, tmp_path: Path) -> None:
    first = send(api, tmp_path, "a")[2]
    second = send(api, tmp_path, "b")[2]
    assert send(api, tmp_path, "a")[2] == first
    assert api.versions[0]["pipeline_version_id"] == second


def test_a_schedule_of_the_same_name_is_replaced(api: FakeApi, tmp_path: Path) -> None:
    pipelines, pipeline_id, _ = send(api, tmp_path)
    first = pipelines.schedule(pipeline_id, NIGHTLY)
    weekly = pipelines.schedule(pipeline_id, replace(NIGHTLY, name="weekly"))
    second = pipelines.schedule(pipeline_id, NIGHTLY)
    assert first != second
    assert {s.recurring_run_id for s in pipelines.schedules()} == {weekly, second}


def test_waiting_follows_the_run_to_its_end(api: FakeApi, tmp_path: Path) -> None:
    pipelines, *ids = send(api, tmp_path)
    run_id = pipelines.submit(*ids, REQUEST)
    told: list[str] = []
    assert pipelines.wait(run_id, lambda state, _: told.append(state), poll_s=0.01) == "SUCCEEDED"
    assert told == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_waiting_ends_when_somebody_cancels_the_run(api: FakeApi, tmp_path: Path) -> None:
    api.run_states = ["RUNNING", "CANCELING", "CANCELED"]
    pipelines, *ids = send(api, tmp_path)
    run_id = pipelines.submit(*ids, REQUEST)
    assert pipelines.wait(run_id, lambda *_: None, poll_s=0.01) == "CANCELED"


def test_runs_are_listed(api: FakeApi, tmp_path: Path) -> None:
    pipelines, *ids = send(api, tmp_path)
    for _ in range(3):
        pipelines.submit(*ids, REQUEST)
    assert [run.run_id for run in pipelines.runs(2)] == ["r3", "r2"]


def test_a_multi_user_installation_gets_the_namespace(tmp_path: Path) -> None:
    with serve(FakeApi(multi_user=True, token="t")) as api:
        pipelines = Pipelines(Server(api.url, "team-a", "t"))
        ids = pipelines.upload(package(), tmp_path)
        pipelines.submit(*ids, REQUEST)
        assert api.experiments[0]["namespace"] == "team-a"
        assert [run.run_id for run in pipelines.runs(5)] == ["r1"]
        assert pipelines.schedules() == []
        for path in ("/runs", "/recurringruns"):
            (query,) = [q for method, p, q, _ in api.requests if (method, p) == ("GET", path)]
            assert query["namespace"] == "team-a"
        assert {query["namespace"] for _, path, query, _ in api.requests if path == "/pipelines"} == {
            "team-a"
        }


def test_a_foreign_namespace_is_named() -> None:
    with serve(FakeApi(multi_user=True)) as api:
        with pytest.raises(nsynth.UserError, match="no rights in namespace team-b"):
            knock(Server(api.url, "team-b"))
        with pytest.raises(
            nsynth.UserError, match="multi-user installation: give your namespace with --namespace"
        ):
            knock(Server(api.url))


def test_a_namespace_on_a_single_user_installation_is_refused(api: FakeApi) -> None:
    with pytest.raises(nsynth.UserError, match="single-user mode"):
        knock(Server(api.url, "team-a"))


@pytest.mark.parametrize("token", [None, "old"])
def test_a_missing_or_expired_token_is_told(token: str | None) -> None:
    with serve(FakeApi(token="new")) as api, pytest.raises(nsynth.UserError, match="missing or has expired"):
        Pipelines(Server(api.url, token=token))


def test_a_token_that_expires_in_the_middle_is_told(api: FakeApi, tmp_path: Path) -> None:
    pipelines, *ids = send(api, tmp_path)
    run_id = pipelines.submit(*ids, REQUEST)
    api.trouble = (401, "token has expired")
    with pytest.raises(nsynth.UserError, match="token is missing or has expired"):
        pipelines.wait(run_id, lambda *_: None)


def test_trouble_of_the_server_is_told(api: FakeApi, tmp_path: Path) -> None:
    pipelines, *ids = send(api, tmp_path)
    api.trouble = (500, "database is locked")
    with pytest.raises(nsynth.UserError, match=r"in trouble \(500: database is locked\)"):
        pipelines.submit(*ids, REQUEST)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("connected", [False, True])
def test_the_token_goes_to_no_other_server(tmp_path: Path, status: int, connected: bool) -> None:
    with serve(FakeApi()) as other, serve(FakeApi()) as api:
        pipelines = Pipelines(Server(api.url, token="t")) if connected else None
        api.trouble, api.elsewhere = (status, "moved"), f"{other.url}/apis/v2beta1/healthz?state=secret"
        with pytest.raises(
            nsynth.UserError, match=rf"sends us on to {other.url}, which is not followed"
        ) as told:
            (pipelines or Pipelines(Server(api.url, token="t"))).upload(package(), tmp_path)
        assert other.requests == []
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "elsewhere", ["ftp://127.0.0.1/healthz", "file:///etc/hostname", "/dex/auth?client=1"]
)
def test_no_other_kind_of_address_is_followed_either(tmp_path: Path, elsewhere: str) -> None:
    with serve(FakeApi(trouble=(302, "moved"), elsewhere=elsewhere)) as api:
        with pytest.raises(nsynth.UserError, match="not followed"):
            Pipelines(Server(api.url, token="t"))
        assert len(api.requests) == 1


def test_a_version_that_is_gone_is_told(api: FakeApi, tmp_path: Path) -> None:
    pipelines, pipeline_id, _ = send(api, tmp_path)
    with pytest.raises(nsynth.UserError, match="PipelineVersion not found"):
        pipelines.submit(pipeline_id, "v99", REQUEST)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(nsynth.UserError, match=rf"{host} cannot be reached: .*port-forward"):
            Pipelines(Server(host))


def test_somebody_who_never_answers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr(connection, "NOTICE_S", 0.01)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        with pytest.raises(nsynth.UserError, match=r"(took longer than 1 s|timed out)"):
            Pipelines(Server(f"http://127.0.0.1:{mute.getsockname()[1]}"))
        assert time.monotonic() - began < 60
    assert "yet; waiting up to 1 s" in capfd.readouterr().err


@pytest.mark.slow
def test_a_server_that_becomes_slow(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 1)
    pipelines, *ids = send(api, tmp_path)
    api.delay_s = 4
    with pytest.raises(nsynth.UserError, match="stopped answering"):
        pipelines.submit(*ids, REQUEST)


def test_a_web_page_is_no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeApi, "_get_healthz", lambda *_: b"<html>Please log in</html>")
    with serve(FakeApi()) as api, pytest.raises(nsynth.UserError, match="not a Kubeflow Pipelines API"):
        Pipelines(Server(api.url))


@pytest.mark.parametrize("request_", [REQUEST, NIGHTLY], ids=["run", "schedule"])
def test_the_preview_shows_the_very_body_that_is_sent(
    api: FakeApi, tmp_path: Path, request_: Submission
) -> None:
    told = json.loads(preview(Server(api.url, token="secret"), package(), request_))
    assert api.requests == []
    assert "secret" not in json.dumps(told)
    assert told["upload"] == {"pipeline": "nsynth", "version": package().version}
    pipelines, pipeline_id, version_id = send(api, tmp_path)
    if isinstance(request_, Schedule):
        pipelines.schedule(pipeline_id, request_)
    else:
        pipelines.submit(pipeline_id, version_id, request_)
    path, shown = list(told.items())[-1]
    (sent,) = api.sent("POST", path.removeprefix("POST /apis/v2beta1"))
    ids = {"<nsynth>": pipeline_id, f"<{package().version}>": version_id}
    shown["pipeline_version_reference"] = {
        key: ids[value] for key, value in shown["pipeline_version_reference"].items()
    }
    assert {**shown, "experiment_id": sent["experiment_id"]} == sent


def test_pages_are_put_together() -> None:
    class Answer:
        def __init__(self, items: list[int] | None, following: str | None):
            self.runs, self.next_page_token = items, following

    answers = {"": Answer([1, 2], "a"), "a": Answer(None, "b"), "b": Answer([3], None)}
    assert client._pages(answers.__getitem__, "runs") == [1, 2, 3]

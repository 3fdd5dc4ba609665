"""The history lives in sqlite, or on a server named by its address; tried for real where installed."""

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import absl.logging
import pytest
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from pipeline.config import load_config
from pipeline.history import metadata, past_runs
from pipeline.history.metadata import connect, connection_config
from pipeline.retrain.faults import may_pass
from tests.pipeline import servers


def test_a_path_is_sqlite(tmp_path):
    file = tmp_path / "new" / "metadata.sqlite"
    assert connect(file).get_artifacts() == []
    assert file.exists()


def test_addresses_are_taken_apart(monkeypatch):
    mysql = connection_config("mysql://me:p%40ss@db.example/history").mysql
    assert (mysql.host, mysql.port, mysql.user, mysql.password) == ("db.example", 3306, "me", "p@ss")
    monkeypatch.setenv("NSYNTH_METADATA_PASSWORD", "secret")
    postgresql = connection_config("postgresql://me@db.example:6000/history").postgresql
    assert (postgresql.port, postgresql.password, postgresql.dbname) == ("6000", "secret", "history")


@pytest.mark.parametrize(
    "address",
    ["oracle://me@db/history", "mysql://db/history", "postgresql://me@db", "postgresql://me@db:x/history"],
)
def test_other_addresses_are_refused_with_what_to_write(address):
    with pytest.raises(nsynth.UserError, match="postgresql://user@host:port/database"):
        load_config(overrides=[f"metadata_server={address}"])


def test_the_key_decides_where_the_history_is():
    assert load_config(overrides=["workspace=here"]).metadata == Path("here/metadata.sqlite")
    server = "postgresql://me@db/history"
    assert load_config(overrides=[f"metadata_server={server}"]).metadata == server


def test_the_password_is_not_told():
    with pytest.raises(nsynth.UserError) as told:
        load_config(overrides=["metadata_server=oracle://me:secret@db/history"])
    assert "secret" not in str(told.value)


def test_the_password_is_not_logged_however_tfx_tells_of_the_connection(caplog):
    connection = connection_config("postgresql://me:secret@db/history")
    with caplog.at_level(logging.INFO, logger="absl"):
        absl.logging.info("Using connection config:\n %s", connection)
        absl.logging.info("Using deployment config:\n %s", json_format.MessageToJson(connection))
        absl.logging.info("half done: 50%")
    assert "secret" not in caplog.text
    assert caplog.text.count("…") == 2
    assert "half done: 50%" in caplog.text


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """Address of an empty database on a PostgreSQL of our own."""
    with servers.postgresql() as address:
        yield address


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    """Address of an empty database on a MariaDB of our own."""
    with servers.mariadb() as address:
        yield address


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request) -> str:
    """Each of them in turn."""
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_a_server_keeps_the_history(server):
    store = connect(server)
    type_id = store.put_artifact_type(mlmd.ArtifactType(name="Model"))
    store.put_artifacts([mlmd.Artifact(type_id=type_id, uri="somewhere")])
    assert [artifact.uri for artifact in connect(server).get_artifacts()] == ["somewhere"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["\\", 'in JSON: {"a": "\\"b\\""}', "it's", "\\'; --", "é\\u00e9", "$0 {1} %s"]
)
def test_a_server_takes_and_gives_any_text(server, text):
    store = connect(server)
    type_id = store.put_execution_type(mlmd.ExecutionType(name="Step", properties={"told": mlmd.STRING}))
    step = mlmd.Execution(type_id=type_id)
    step.properties["told"].string_value = text
    step.custom_properties["more"].string_value = text
    [step_id] = store.put_executions([step])
    assert step.properties["told"].string_value == text, "the caller's own message was changed"
    [found] = connect(server).get_executions_by_id([step_id])
    assert (found.properties["told"].string_value, found.custom_properties["more"].string_value) == (
        text,
        text,
    )


@pytest.mark.slow
def test_ml_metadata_alone_still_cannot_store_a_backslash(postgresql):
    """Once this fails, pipeline/history/postgresql.py may go."""
    code = (
        "import sys\n"
        "from ml_metadata.metadata_store import MetadataStore\n"
        "from ml_metadata.proto import metadata_store_pb2 as mlmd\n"
        "config = mlmd.ConnectionConfig()\n"
        "config.postgresql.host, config.postgresql.port, config.postgresql.user = '127.0.0.1', sys.argv[1], 'nsynth'\n"
        "config.postgresql.dbname, config.postgresql.skip_db_creation = 'history', True\n"
        "store = MetadataStore(config)\n"
        "kind = store.put_artifact_type(mlmd.ArtifactType(name='Plain'))\n"
        "store.put_artifacts([mlmd.Artifact(type_id=kind, uri='a' + chr(92) + 'b')])\n"
    )
    port = postgresql.rpartition(":")[2].partition("/")[0]
    answer = subprocess.run([sys.executable, "-c", code, port], capture_output=True, text=True)
    assert answer.returncode
    assert "syntax error at or near" in answer.stderr


@pytest.mark.slow
def test_a_server_that_is_down_is_told_and_a_round_tries_again(server):
    kind = server.partition(":")[0]
    with pytest.raises(nsynth.UserError, match=r"127\.0\.0\.1:1 cannot be reached: .*refused") as told:
        connect(f"{kind}://nsynth@127.0.0.1:1/history")
    assert may_pass(told.value)


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
@pytest.mark.parametrize(("hangs_up", "words"), [(False, "timed out"), (True, "(it hung up|reset by peer)")])
def test_a_server_that_says_nothing_is_not_waited_for(kind, hangs_up, words, monkeypatch):
    monkeypatch.setattr(metadata, "_REACH_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if hangs_up:
            Thread(target=lambda: silent.accept()[0].close(), daemon=True).start()
        with pytest.raises(nsynth.UserError, match=f"127.0.0.1:{port} cannot be reached: .*{words}") as told:
            connect(f"{kind}://nsynth@127.0.0.1:{port}/history")
    assert may_pass(told.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "mistaken", "words"),
    [
        ("127.0.0.1", "no-such-host.invalid", r"no-such-host\.invalid:\d+ cannot be reached: "),
        ("/history", "/no-history", "rejects nsynth for the database no-history"),
    ],
)
def test_a_mistaken_address_is_told_in_a_line(server, right, mistaken, words):
    with pytest.raises(nsynth.UserError, match=words) as told:
        connect(server.replace(right, mistaken))
    assert "\n" not in str(told.value)


def test_a_run_tells_it_too(tmp_path):
    from pipeline.local_runner import run_local

    overrides = [
        f"workspace={tmp_path}",
        f"data={tmp_path}",
        "metadata_server=mysql://nsynth@127.0.0.1:1/history",
    ]
    with pytest.raises(nsynth.UserError, match="cannot be reached"):
        run_local(load_config(overrides=overrides))


@pytest.mark.slow
def test_a_wrong_password_is_told_without_it(mariadb):
    with pytest.raises(nsynth.UserError, match="rejects nsynth") as told:
        connect(mariadb.replace("Unused-Secret", "Mistaken"))
    assert "Mistaken" not in str(told.value)


@pytest.mark.slow
def test_localhost_is_reached_by_its_port(mariadb):
    connect(mariadb.replace("127.0.0.1", "localhost"))


@pytest.mark.slow
@pytest.mark.e2e
def test_rounds_and_all_that_look_at_them_use_the_server(server, tmp_path):

    def nsynth_command(name: str, *arguments: str | Path, code: int = 0) -> str:
        settings = [f"workspace={tmp_path}/workspace", f"metadata_server={server}", "retrain.settle_s=0"]
        settings += [f"retrain.spans={tmp_path}/spans", "retrain.cleanup.keep_runs=1"]
        overrides = [part for setting in settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "pipeline.cli.main", name, *map(str, arguments)]
        answer = subprocess.run(
            [*command, "--config", "configs/tiny.yaml", *overrides],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert answer.returncode == code, answer.stdout + answer.stderr
        assert "Unused-Secret" not in answer.stdout + answer.stderr, "the password was told"
        return answer.stdout

    notes = tmp_path / "notes"
    subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", "corpus", "--size", "tiny", "--out", notes], check=True
    )
    (tmp_path / "spans" / "span-000001").mkdir(parents=True)
    for file in notes.glob("*.tfrecord"):
        file.rename(tmp_path / "spans" / "span-000001" / file.name)

    done = json.loads(nsynth_command("retrain", "--json"))
    assert done["outcome"] == "pushed"
    [run] = past_runs.run_names(connect(server))
    assert run == done["run"]
    assert past_runs.load_run(connect(server)).steps["Transform"].state == "COMPLETE"
    assert run in nsynth_command("runs", "--json")
    nsynth_command("report", "--out", tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert str(done["version"]) in nsynth_command("models")
    trainer = past_runs.load_run(connect(server), run).steps["Trainer"]
    left = tmp_path / "workspace" / "artifacts" / "Trainer" / "half" / str(trainer.execution_id)
    left.mkdir(parents=True)
    assert str(left) in nsynth_command("gc", "--yes", "--json")
    assert not left.exists()
    states = {artifact.uri: artifact.state for artifact in connect(server).get_artifacts()}
    assert all(Path(uri).exists() for uri, state in states.items() if state == mlmd.Artifact.LIVE)
    files = [path for path in (tmp_path / "workspace").rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".sqlite"] == []
    assert [path for path in files if b"Unused-Secret" in path.read_bytes()] == [], (
        "the password was written down"
    )

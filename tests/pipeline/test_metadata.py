"""The history lives in sqlite, or on a server named by its address; PostgreSQL is tried for real where installed."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from pipeline.config import load_config
from pipeline.metadata import connect, connection_config


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


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory) -> Iterator[str]:
    """Address of an empty database on a server of our own."""
    tools = {name: _find(name) for name in ("initdb", "pg_ctl", "createdb")}
    if not all(tools.values()):
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile_outside(tmp_path_factory))
    # PostgreSQL refuses to run as root.
    user = next((u for u in ("postgres", "nobody") if _exists(u)), None) if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    run(tools["initdb"], "-D", data, "-U", "nsynth", "--auth=trust")
    run(tools["pg_ctl"], "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        run(tools["createdb"], "-h", "127.0.0.1", "-p", str(port), "-U", "nsynth", "history")
        yield f"postgresql://nsynth@127.0.0.1:{port}/history"
    finally:
        run(tools["pg_ctl"], "-D", data, "-w", "-m", "immediate", "stop")


def tempfile_outside(tmp_path_factory) -> Path:
    """A folder that another user may enter: pytest's own are closed to others."""
    import tempfile

    folder = tempfile.mkdtemp(prefix="nsynth-pg-")
    os.chmod(folder, 0o755)
    return Path(folder)


def _find(name: str) -> str | None:
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    )  # where Debian puts it, off the path
    return shutil.which(name) or (str(installed[-1]) if installed else None)


def _exists(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


def test_postgresql_keeps_the_history(postgresql):
    store = connect(postgresql)
    type_id = store.put_artifact_type(mlmd.ArtifactType(name="Model"))
    store.put_artifacts([mlmd.Artifact(type_id=type_id, uri="somewhere")])
    assert [artifact.uri for artifact in connect(postgresql).get_artifacts()] == ["somewhere"]


def test_a_server_that_does_not_answer_is_told(postgresql):
    nobody = postgresql.rpartition(":")[0] + ":1/history"
    with pytest.raises(nsynth.UserError, match="metadata server"):
        connect(nobody)

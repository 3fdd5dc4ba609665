"""Servers for the history that tests start: empty databases on ports of their own, gone afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """Address of an empty database on a server of our own."""
    tools = {name: _find(name) for name in ("initdb", "pg_ctl", "createdb")}
    if not all(tools.values()):
        pytest.skip("PostgreSQL is not installed (on Debian: postgresql)")
    folder, user = _folder_and_user("postgres")
    port = _free_port()
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
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def mysql() -> Iterator[str]:
    """Address of an empty database on a MariaDB of our own, which speaks MySQL's protocol; with a password."""
    install, serve, client = map(shutil.which, ("mariadb-install-db", "mariadbd", "mariadb"))
    if not (install and serve and client):
        pytest.skip("MariaDB is not installed (on Debian: mariadb-server)")
    folder, user = _folder_and_user("mysql")
    port, files = _free_port(), (f"--datadir={folder}/data", f"--socket={folder}/socket")
    running_as = [f"--user={user}"] if user else []
    as_root = [client, "--no-defaults", f"--socket={folder}/socket", "--user=root"]
    subprocess.run(
        [install, "--no-defaults", *running_as, files[0], "--auth-root-authentication-method=normal"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [serve, "--no-defaults", *running_as, *files, "--bind-address=127.0.0.1", f"--port={port}"],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*as_root, "-e", "SELECT 1"], capture_output=True).returncode:
            alive = server.poll() is None and time.monotonic() < deadline
            assert alive, (folder / "log").read_text()
            time.sleep(0.2)
        make = (
            "CREATE DATABASE history; CREATE USER nsynth@127.0.0.1 IDENTIFIED BY 'Unused-Secret'; "
            "GRANT ALL ON history.* TO nsynth@127.0.0.1"
        )
        subprocess.run([*as_root, "-e", make], check=True)
        yield f"mysql://nsynth:Unused-Secret@127.0.0.1:{port}/history"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


@pytest.fixture(params=["postgresql", "mysql"])
def server(request) -> str:
    """Address of an empty database, on each kind of server in turn."""
    return request.getfixturevalue(request.param)


def _folder_and_user(name: str) -> tuple[Path, str | None]:
    """A folder that another user may enter, which pytest's own do not let in; and that user, if we are root.

    Neither server runs as root.
    """
    folder = Path(tempfile.mkdtemp(prefix="nsynth-server-"))
    folder.chmod(0o755)
    user = next((u for u in (name, "nobody") if _exists(u)), None) if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    return folder, user


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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

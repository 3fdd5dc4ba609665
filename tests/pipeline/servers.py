"""Database servers of our own, started where they are installed: for one test module, on loopback, in a new folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER, PASSWORD = "nsynth", "Unused-Secret"
_START_S = 60


@contextmanager
def postgresql() -> Iterator[str]:
    """Address of an empty database on a PostgreSQL; it takes any password."""
    initdb, pg_ctl, createdb = _find("PostgreSQL", "postgresql", "initdb", "pg_ctl", "createdb")
    with _folder("postgres") as (folder, user):
        port = _free_port()
        data = folder / "data"
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"

        def run(*command: str | Path) -> None:
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

        run(initdb, "-D", data, "-U", USER, "--auth=trust")
        run(pg_ctl, "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            run(createdb, "-h", "127.0.0.1", "-p", str(port), "-U", USER, "history")
            yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/history"
        finally:
            run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")


@contextmanager
def mariadb() -> Iterator[str]:
    """Address of an empty database on a MariaDB, whose user may touch nothing else."""
    install, server = _find("MariaDB", "mariadb-server", "mariadb-install-db", "mariadbd")
    with _folder("mysql") as (folder, user):
        port = _free_port()
        (folder / "init.sql").write_text(
            "CREATE DATABASE history;\n"
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON history.* TO {USER}@'127.0.0.1';\n"
        )
        with open(folder / "log", "wb") as log:
            told = {"user": user, "cwd": folder, "stdout": log, "stderr": log}
            where = ["--no-defaults", f"--datadir={folder}/data", "--innodb-flush-method=nosync"]
            made_how = ["--auth-root-authentication-method=normal", "--skip-test-db"]
            subprocess.run([install, *where, *made_how], check=True, **told)
            listening = ["--bind-address=127.0.0.1", "--skip-name-resolve", f"--port={port}"]
            listening += [f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
            command = [server, *where, *listening, f"--init-file={folder}/init.sql"]
            process = subprocess.Popen(command, **told)
        try:
            _wait_until_listening(port, process)
            yield f"mysql://{USER}:{PASSWORD}@127.0.0.1:{port}/history"
        finally:
            process.kill()  # nobody needs its data any more
            process.wait()


def _find(server: str, package: str, *names: str) -> list[str]:
    """Where the programs are: PostgreSQL's are off the path on Debian, and so is what is for root."""
    folders = [
        *os.environ["PATH"].split(":"),
        "/usr/sbin",
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
    found = [shutil.which(name, path=":".join(folders)) for name in names]
    if not all(found):
        pytest.skip(f"{server} is not installed (on Debian: {package})")
    return [str(path) for path in found]


@contextmanager
def _folder(owner: str) -> Iterator[tuple[Path, str | None]]:
    """A folder, and as whom to run in it (None: as we are): no server likes to run as root.

    It is none of pytest's own, which are closed to others.
    """
    with tempfile.TemporaryDirectory(prefix="nsynth-db-") as folder:
        os.chmod(folder, 0o755)
        user = next(filter(_exists, (owner, "nobody")), None) if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        yield Path(folder), user


def _exists(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_until_listening(port: int, process: subprocess.Popen) -> None:
    for _ in range(_START_S * 10):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "the server has ended by itself"
            time.sleep(0.1)
    raise TimeoutError(f"the server does not listen after {_START_S} s")

"""Makes the environment: the locked uv, a Python 3.11, the locked packages, the project itself."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PLATFORM = "x86_64-manylinux_2_39"
"""TFX's wheels name it, though they need less; `glibc.py` makes them load on older systems."""
PYTHON = "3.11"
"""TFX's Kubeflow extra ends there."""
NEEDED_GB = 5
BATCHES = 10
FIRST = ("pip", "setuptools", "wheel")
"""What building the few pure-Python source packages takes; they come last."""


class SetupError(Exception):
    """The set-up cannot go on; the message says why and what to do."""


def run(command: list[str], failure: str) -> str:
    """Run a program; gives its output.

    Raises:
      SetupError: it failed; `failure` and the end of what it printed.
    """
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    }
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise SetupError(f"{failure}: {error}") from error
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-8:]
        raise SetupError("\n    ".join([f"{failure}:", *lines]))
    return done.stdout.strip()


def check_target(folder: Path) -> None:
    """Make sure that the environment may be made at `folder`, and that the disk has room for it.

    Raises:
      SetupError: something else is there, or the disk is too full.
    """
    if (
        folder.exists()
        and not (folder / "pyvenv.cfg").is_file()
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise SetupError(f"{folder} exists and is not a Python environment: choose another folder")
    above = next(parent for parent in folder.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(above).free / 1e9
    if free < NEEDED_GB and not (folder / "pyvenv.cfg").is_file():
        raise SetupError(f"{NEEDED_GB} GB are needed on the disk of {above}, {free:.1f} GB are free")


def bootstrap(folder: Path, lock: str) -> list[str]:
    """Install the locked uv into an environment at `folder`; gives the command."""
    uv = folder / "bin" / "uv"
    if not uv.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        run(
            [sys.executable, "-m", "venv", str(folder)],
            f"{sys.executable} cannot make an environment (Debian, Ubuntu: apt-get install python3-venv; "
            "or start with another Python from 3.8 on)",
        )
        requirements = folder / "bootstrap.lock"
        # Without what uv may build, of which this lock has nothing and old pips warn.
        requirements.write_text(re.sub(r"^--no-binary.*\n", "", lock, flags=re.MULTILINE))
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        run([*pip, "--require-hashes", "--no-deps", "-r", str(requirements)], "uv cannot be fetched")
    return [str(uv), "--no-config", "--quiet"]


def make_environment(uv: list[str], folder: Path, python: str | None) -> str:
    """Make an environment with Python 3.11 at `folder`, unless it is there; gives its interpreter's version.

    Args:
      uv: the command.
      folder: where.
      python: interpreter to use; none lets uv look for one, and fetch one where there is none.
    """
    interpreter = folder / "bin" / "python"
    if not _is_right(interpreter):
        if not python:
            python = sys.executable if sys.version_info[:2] == (3, 11) else PYTHON
        failure = (
            f"Python {PYTHON} is needed, is not on this machine, and uv could not fetch it. Install it, or name one: "
            f"make setup PYTHON=/path/to/python{PYTHON} (without make: --python). Behind a mirror, set "
            "UV_PYTHON_INSTALL_MIRROR"
        )
        run([*uv, "venv", "--clear", "--python", python, str(folder)], failure)
        if not _is_right(interpreter):
            raise SetupError(f"{python} is not Python {PYTHON}, for which TFX has packages: give another")
    return run([str(interpreter), "-c", "import platform; print(platform.python_version())"], "Python fails")


def _is_right(interpreter: Path) -> bool:
    if not interpreter.exists():
        return False
    check = "import sys; sys.exit(sys.version_info[:2] != (3, 11))"
    return subprocess.run([str(interpreter), "-c", check], check=False).returncode == 0


def batches(lock: str, count: int = BATCHES) -> list[str]:
    """Cut a lock into `count` locks: the build tools first, what is built from source last."""
    options = [line for line in lock.splitlines() if line.startswith("--")]
    built = {line.split()[1] for line in options if line.startswith("--no-binary")}
    pins = "\n".join(line for line in lock.splitlines() if line not in options)
    entries = re.split(r"\n(?=[A-Za-z0-9])", pins)
    named = [(entry.split("==")[0], entry) for entry in entries if "==" in entry]
    named.sort(key=lambda item: (item[0] in built, item[0] not in FIRST))
    size = -(-len(named) // count)
    return [
        "\n".join([*options, *(entry for _, entry in named[start : start + size]), ""])
        for start in range(0, len(named), size)
    ]


def install_locked(uv: list[str], folder: Path, lock: str, report: Callable[[int], None]) -> int:
    """Install what a lock names, batch by batch; what is there already is left. Gives the number of packages.

    Args:
      uv: the command.
      folder: the environment.
      lock: text of the lock.
      report: is told the number of packages after each batch.
    """
    done = 0
    requirements = folder / "batch.lock"
    for batch in batches(lock):
        requirements.write_text(batch)
        command = [*_pip_install(uv, folder), "--python-platform", PLATFORM, "--require-hashes"]
        run([*command, "-r", str(requirements)], "packages cannot be installed")
        done += len(re.findall(r"^[\w.-]+==", batch, re.MULTILINE))
        report(done)
    requirements.unlink()
    return done


def install_project(uv: list[str], folder: Path, source: list[str]) -> None:
    """Install the project itself (a wheel, or `--editable CHECKOUT`) with its bytecode."""
    command = [*_pip_install(uv, folder), "--reinstall-package", "nsynth-tfx", *source]
    run(command, "nsynth cannot be installed")


def _pip_install(uv: list[str], folder: Path) -> list[str]:
    options = ["--no-deps", "--no-build-isolation", "--compile-bytecode"]
    return [*uv, "pip", "install", "--python", str(folder / "bin" / "python"), *options]


def installed_bytes(folder: Path) -> int:
    """Sum of the sizes that the installed packages' records name."""
    return sum(_sizes(folder.glob("lib/python*/site-packages/*.dist-info/RECORD")))


def _sizes(records: Iterator[Path]) -> Iterator[int]:
    for record in records:
        with record.open(newline="") as file:
            yield from (int(row[2]) for row in csv.reader(file) if len(row) > 2 and row[2].isdigit())

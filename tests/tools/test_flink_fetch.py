"""Fetching Flink: what it says and how it exits where it cannot be had, or is not what was pinned."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "flink"
JAR = b"a jar"
PROGRAMS = ("bash", "realpath", "dirname", "sha256sum", "rm", "timeout", "mkdir")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The script with one pinned jar, and a folder of programs without java and mvn."""
    for name in ("fetch", "pom.xml"):
        shutil.copy(TOOLS / name, tmp_path)
    (tmp_path / "jars.sha256").write_text(f"{hashlib.sha256(JAR).hexdigest()}  one.jar\n")
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    return tmp_path


def install(machine: Path, maven: str) -> None:
    """Puts a java on the path, and a Maven that runs these lines; its last argument is the output folder."""
    for name, lines in (("java", ""), ("mvn", maven)):
        program = machine / "bin" / name
        program.write_text(f'#!/usr/bin/env bash\nfolder="${{@: -1}}"; folder="${{folder#*=}}"\n{lines}\n')
        program.chmod(0o755)


def fetch(machine: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(machine / "bin")}
    command = [machine / "bin" / "bash", machine / "fetch", machine / "jars"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_pinned_jar_is_taken_and_not_fetched_again(machine: Path):
    install(machine, 'mkdir "$folder"; printf "a jar" > "$folder/one.jar"')
    assert fetch(machine).returncode == 0
    assert (machine / "jars" / "one.jar").read_bytes() == JAR
    install(machine, "exit 1")
    assert fetch(machine).returncode == 0


def test_without_maven_it_cannot_be_had(machine: Path):
    answer = fetch(machine)
    assert answer.returncode == 77
    assert "cannot be had on this machine: there is no java" in answer.stderr


def test_a_maven_that_finds_nothing_means_the_same(machine: Path):
    install(machine, "exit 1")
    answer = fetch(machine)
    assert answer.returncode == 77
    assert "Maven found no way" in answer.stderr


def test_another_jar_than_the_pinned_one_is_an_error(machine: Path):
    install(machine, 'mkdir "$folder"; printf "another jar" > "$folder/one.jar"')
    answer = fetch(machine)
    assert answer.returncode == 1
    assert "not those of tools/flink/jars.sha256" in answer.stderr


def test_every_jar_of_the_list_has_a_checksum():
    lines = [line.split("  ") for line in (TOOLS / "jars.sha256").read_text().splitlines()]
    assert all(len(digest) == 64 and name.endswith(".jar") for digest, name in lines)
    assert [name for _, name in lines if name.startswith("beam-runners-flink-")] == [
        "beam-runners-flink-1.19-2.62.0.jar"
    ]

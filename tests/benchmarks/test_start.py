"""The benchmark of commands that compute nothing: what it runs, what counts, and what ends it. It starts no process."""

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import harness, start


class Commands:
    """Stands in for the processes: notes each command line; the first of a command takes longest."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []
        self.failing: tuple[str, ...] = ()

    def ended(self, line: list[str]) -> harness.Run:
        """Answer with the exit code that the benchmark expects of the command, but for the failing one."""
        before = self.lines.count(line)
        self.lines.append(line)
        own = self.words(line)
        expected = {command.arguments: command.code for command in start.COMMANDS}
        code = 70 if own == self.failing else expected[own]
        return {
            "code": code,
            "output": f"out of {' '.join(own)}",
            "wall_s": 2.0 - before,
            "cpu_s": 1.5 - before,
        }

    @staticmethod
    def words(line: list[str]) -> tuple[str, ...]:
        """What a user would type after `nsynth`, without the settings."""
        own = line[len(harness.nsynth_command()) :]
        return tuple(itertools.takewhile(lambda word: word != "--config", own))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    stand_in = Commands()
    monkeypatch.setattr(harness, "ended", stand_in.ended)
    return stand_in


def test_each_command_runs_as_often_as_asked_in_the_workspace_of_a_first_run(
    commands: Commands, tmp_path: Path
) -> None:
    output = tmp_path / "start.json"
    scratch = ["--scratch", str(tmp_path), "--output", str(output)]
    done = CliRunner().invoke(start.main, ["--repeats", "2", *scratch])
    assert done.exit_code == 0, done.output
    expected = [("run",), *(command.arguments for command in start.COMMANDS for _ in range(2))]
    assert [commands.words(line) for line in commands.lines] == expected
    assert len({tuple(line[line.index("--config") :]) for line in commands.lines}) == 1, "the same settings"
    assert list(tmp_path.iterdir()) == [output], "the workspace is gone"
    result = json.loads(output.read_text())
    assert "cores" in result["machine"]
    limits = {row["command"]: (row["wall_s"], row["cpu_s"], row["limit_s"]) for row in result["commands"]}
    assert limits["nsynth report unknown"] == (1.0, 0.5, 1.0), "the fastest counts"
    assert [line.count("|") for line in done.output.splitlines() if line.startswith("| `nsynth")] == [
        6
    ] * len(start.COMMANDS)


def test_what_takes_longer_than_its_limit_is_over_it() -> None:
    rows = [
        {"command": "nsynth runs", "cpu_s": 0.94, "wall_s": wall_s, "limit_s": 1.5} for wall_s in (1.5, 1.6)
    ]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in start.table(rows).splitlines()[2:]
    ]
    assert cells == [
        ["`nsynth runs`", "0.9", "1.5", "1.5", "within"],
        ["`nsynth runs`", "0.9", "1.6", "1.5", "over"],
    ]


@pytest.mark.parametrize("arguments", [("run",), ("report", "unknown")])
def test_a_command_with_another_exit_code_ends_it_with_what_the_command_wrote(
    commands: Commands, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    commands.failing = arguments
    output = tmp_path / "start.json"
    done = CliRunner().invoke(start.main, ["--scratch", str(tmp_path), "--output", str(output)])
    assert done.exit_code == 1
    words = " ".join(arguments)
    assert f"nsynth {words} " in done.output
    assert f"ended with 70: out of {words}" in done.output
    assert not list(tmp_path.iterdir())

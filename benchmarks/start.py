"""How long commands take that compute nothing: `python -m benchmarks.start` prints a table.

A first run on the smallest set of demo notes makes a workspace. Then each command runs in a process of its own, as a
user starts it: those that look at runs and models, those with a mistake, and a run that finds every step cached.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks import harness

CONFIG = Path(__file__).parents[1] / "configs" / "tiny.yaml"


class Command(NamedTuple):
    """What a user types, the exit code that it ends with, and the seconds by the clock that it may take."""

    arguments: tuple[str, ...]
    code: int
    limit_s: float


COMMANDS = (
    Command(("runs",), 0, 1.5),
    Command(("models",), 0, 1.5),
    Command(("status",), 0, 1.5),
    Command(("gc",), 0, 1.5),
    Command(("report",), 0, 1.5),
    Command(("run", "--data", "/missing"), 1, 1.0),
    Command(("report", "unknown"), 1, 1.0),
    Command(("run",), 0, 8.0),
)


@click.command()
@click.option("--repeats", default=3, show_default=True, help="Runs of each command; the fastest counts.")
@harness.output_option("start")
@harness.scratch_option("some 200 MB")
def main(repeats: int, output: Path, scratch: str | None) -> None:
    """Measure how long commands take that compute nothing."""
    with tempfile.TemporaryDirectory(prefix="bench-start-", dir=scratch) as folder:
        settings = ("--config", str(CONFIG), "--set", f"workspace={folder}", "--set", "gate.min_accuracy=0")
        ended(("run", *settings), 0)
        rows = [measure(one, settings, repeats) for one in COMMANDS]
    click.echo(table(rows))
    harness.save(output, {"machine": harness.machine(), "commands": rows})


def measure(command: Command, settings: tuple[str, ...], repeats: int) -> dict[str, Any]:
    """Run a command several times; return the least seconds of CPU and wall time."""
    runs = [ended((*command.arguments, *settings), command.code) for _ in range(repeats)]
    return {
        "command": " ".join(("nsynth", *command.arguments)),
        "cpu_s": min(run["cpu_s"] for run in runs),
        "wall_s": min(run["wall_s"] for run in runs),
        "limit_s": command.limit_s,
    }


def ended(arguments: tuple[str, ...], code: int) -> harness.Run:
    """Run a command of ours and return the seconds that it took.

    Raises:
      click.ClickException: it ended with another exit code.
    """
    run = harness.ended(harness.nsynth_command(*arguments))
    if run["code"] != code:
        raise click.ClickException(
            f"nsynth {' '.join(arguments)} ended with {run['code']}: {run['output'][-2000:]}"
        )
    return run


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown."""
    head = ("", "CPU, s", "by the clock, s", "limit, s", "")
    return harness.markdown(
        head,
        (
            (
                f"`{row['command']}`",
                f"{row['cpu_s']:.1f}",
                f"{row['wall_s']:.1f}",
                f"{row['limit_s']:.1f}",
                "within" if row["wall_s"] <= row["limit_s"] else "over",
            )
            for row in rows
        ),
    )


if __name__ == "__main__":
    main()

"""`nsynth runs`: all runs of a workspace, what they came to and how long they took."""

import json
from pathlib import Path
from typing import Any

import click
import rich.box
import rich.console
import rich.table

from pipeline.config import DEFAULT_CONFIG, Config, load_config

_COLOURS = {"pushed": "green", "not pushed": "yellow", "failed": "red", "running": "cyan"}


@click.command()
@click.option("--config", "config_file", default=DEFAULT_CONFIG, show_default="configs/demo.yaml",
              type=click.Path(path_type=Path), help="The YAML file that names the workspace.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Show the newest ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def runs(config_file: Path, overrides: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the runs, the newest first: outcome, accuracy with its interval, version, time."""
    found = list_runs(load_config(config_file, overrides), limit)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        rich.console.Console().print(table(found))


def list_runs(config: Config, limit: int) -> list[dict[str, Any]]:
    """The facts of the newest runs.

    Raises:
      nsynth.UserError: there is none.
    """
    from pipeline import history
    from pipeline.report.record import RunRecord

    store = history.open_store(config.metadata)
    names = history.run_names(store)[:limit]
    return [facts(RunRecord(history.load_run(store, name), config)) for name in names]


def facts(record: Any) -> dict[str, Any]:
    """What a pipeline.report.record.RunRecord comes to, ready for JSON."""
    from pipeline.report.outcome import outcome_of

    steps = record.run.steps.values()
    outcome = outcome_of(record)
    gate = outcome.gate or {}
    return {
        "run": record.run.name,
        "outcome": outcome.kind,
        "failed_step": record.failed.name if record.failed else None,
        "verdict": gate.get("verdict"),
        "accuracy": gate["overall"]["accuracy"] if gate else None,
        "notes": gate.get("notes"),
        "version": int(outcome.version) if outcome.version else None,
        "steps": len(steps),
        "cached": sum(step.state == "CACHED" for step in steps),
        "seconds": round(sum(step.seconds for step in steps if step.state != "RUNNING"), 1),
    }


def table(found: list[dict[str, Any]]) -> rich.table.Table:
    """The same for people."""
    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for name in ("run", "outcome", "accuracy"):
        drawn.add_column(name, no_wrap=name == "run")
    for name in ("version", "steps", "cached", "seconds"):
        drawn.add_column(name, justify="right")
    for row in found:
        accuracy = row["accuracy"]
        colour = _COLOURS[row["outcome"]]
        where = f" in {row['failed_step']}" if row["failed_step"] else ""
        drawn.add_row(
            row["run"],
            f"[{colour}]{row['outcome']}{where}[/]",
            f"{accuracy['value']:.1%} ({100 * accuracy['low']:.1f} – {100 * accuracy['high']:.1f})"
            if accuracy
            else "–",
            str(row["version"] or "–"),
            str(row["steps"]),
            str(row["cached"]),
            f"{row['seconds']:.0f}",
        )
    return drawn

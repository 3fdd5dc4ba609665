"""`nsynth runs`: lists the runs of a workspace with outcome, accuracy and time."""

import json
from pathlib import Path
from typing import Any

import click
import rich.markup
import rich.table

from pipeline.cli.options import config_option, json_option, load_workspace, set_option
from pipeline.config import Config
from pipeline.tables import listing

_TO_THE_SECOND = len("2026-01-01T00:00:00")
_COLOURS = {
    "pushed": "green",
    "not pushed": "yellow",
    "failed": "red",
    "interrupted": "yellow",
    "running": "cyan",
}


@click.command()
@config_option
@set_option
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="Number of newest runs to show."
)
@json_option
def runs(config_file: Path, overrides: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the runs, newest first: outcome, accuracy with interval, version, time."""
    from pipeline.cli.console import make_console

    found = list_runs(load_workspace(config_file, overrides), limit)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        make_console().print(table(found))


def list_runs(config: Config, limit: int) -> list[dict[str, Any]]:
    """Return the facts of the newest runs.

    Raises:
      nsynth.UserError: there is none.
    """
    from components.registry import Registry
    from pipeline.history import past_runs
    from pipeline.report.record import RunRecord

    store = past_runs.open_store(config.metadata)
    names = past_runs.run_names(store)[:limit]
    versions = {version.number: version.record for version in Registry(config.models).versions()}
    return [facts(RunRecord(past_runs.load_run(store, name), config), versions) for name in names]


def facts(record: Any, versions: dict[int, Any]) -> dict[str, Any]:
    """Return the outcome of a run, ready for JSON.

    Args:
      record: a pipeline.report.record.RunRecord.
      versions: number → record of the pushed models; needed for runs whose artifacts have been removed.
    """
    from pipeline.report.outcome import outcome_of

    steps = record.run.steps.values()
    outcome = outcome_of(record)
    gate = outcome.gate
    stopped = record.stopped if outcome.kind == "interrupted" else record.failed
    pushed = versions.get(int(outcome.version)) if outcome.version else None
    known = pushed.model_dump(mode="json") if pushed else {}
    return {
        "run": record.run.name,
        "outcome": outcome.kind,
        "failed_step": stopped.name if stopped else None,
        "verdict": (gate.verdict if gate else None) or known.get("verdict"),
        "failed_checks": [check.name for check in gate.failed()] if gate else [],
        "accuracy": gate.overall["accuracy"].model_dump() if gate else known.get("accuracy"),
        "notes": gate.notes if gate else None,
        "version": int(outcome.version) if outcome.version else None,
        "steps": len(steps),
        "cached": sum(step.state == "CACHED" for step in steps),
        "seconds": round(sum(step.seconds for step in steps if step.state != "RUNNING"), 1),
    }


def table(found: list[dict[str, Any]]) -> rich.table.Table:
    """Return the runs as a table. `nsynth report` accepts the shortened names that it shows."""
    columns = ("run", "outcome", "accuracy", "version", "time", "reason")
    drawn = listing(*columns, right=("time",), fold=("reason",))
    for row in found:
        accuracy = row["accuracy"]
        drawn.add_row(
            row["run"][:_TO_THE_SECOND],
            f"[{_COLOURS[row['outcome']]}]{'unfinished' if row['outcome'] == 'running' else row['outcome']}[/]",
            f"{accuracy['value']:.1%} ({100 * accuracy['low']:.0f}–{100 * accuracy['high']:.0f})"
            if accuracy
            else "–",
            str(row["version"] or "–"),
            f"{row['seconds']:.0f} s",
            rich.markup.escape(_why(row)),
        )
    return drawn


def _why(row: dict[str, Any]) -> str:
    """Return the step that failed, the checks that failed, or that every step was cached."""
    if row["failed_step"]:
        return (
            f"in {row['failed_step']}" if row["outcome"] == "interrupted" else f"{row['failed_step']} failed"
        )
    if row["outcome"] == "not pushed":
        return ", ".join(row["failed_checks"])
    return "all cached" if row["steps"] and row["cached"] == row["steps"] else ""

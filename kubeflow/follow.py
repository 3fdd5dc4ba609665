"""`nsynth kubeflow` runs, show, cancel, schedules, pause, resume, delete: runs and schedules on the cluster."""

import datetime
from typing import Any

import click
import rich.box
import rich.console
import rich.markup
import rich.table

import nsynth
from kubeflow import metadata
from kubeflow.command_options import connect, load_options, server_of, server_options, tell
from kubeflow.groups import CONDITION, EVERYTHING

_SECOND = "%Y-%m-%d %H:%M:%S"
_COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "RUNNING": "cyan", "CANCELED": "yellow", "SKIPPED": "dim"}
_NO_STEPS = ("root", "root-driver", "executor", EVERYTHING, CONDITION, None)
_ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


def run_page(server: Any, run_id: str) -> str:
    """Return the address of the run's page."""
    from components.staging import RUN_PAGE

    return f"{server.host.rstrip('/')}{RUN_PAGE}{run_id}"


def _reach(given: dict[str, Any]) -> tuple[Any, Any]:
    server = server_of(load_options(given["config_file"], given["overrides"]).kubeflow, given)
    return server, connect(server)


@click.command()
@server_options
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
def runs(limit: int, as_json: bool, **given: Any) -> None:
    """List the newest runs."""
    server, pipelines = _reach(given)
    rows = [_run_facts(server, run) for run in pipelines.runs(limit)]
    drawn = _table("run", "state", "created (UTC)", "time", "name")
    for row in rows:
        drawn.add_row(
            row["run"],
            _coloured(row["state"]),
            _shown(row["created"]),
            _time(row["seconds"]),
            _plain(row["name"]),
        )
    tell(as_json, rows, drawn if rows else f"{server.host} has no runs yet: nsynth kubeflow submit")


@click.command()
@click.argument("run")
@server_options
def show(run: str, as_json: bool, **given: Any) -> None:
    """Show RUN (its id, the beginning of the id, or its name): verdict, figures, steps, durations, reason, link."""
    server, pipelines = _reach(given)
    found = pipelines.find_run(run)
    facts = _run_facts(server, found) | {"steps": _steps(found)} | _verdict(server, found)
    facts["why"] = facts["why"] or _why(found, facts["steps"])
    grid = rich.table.Table.grid(padding=(0, 2))
    shown = facts | {"created": _shown(facts["created"]) + " UTC", "time": _time(facts["seconds"])}
    shown["version"] = shown["pushed_version"]
    shown["figures"] = ", ".join(_figure(name, value) for name, value in facts["figures"].items())
    shown["no verdict"] = facts["verdict_unknown"]
    shown["state"] = facts["state"].lower()
    for name in ("name", "run", "state", "verdict", "no verdict", "why", "version", "figures", "created",
                 "time", "page"):  # fmt: skip
        if shown[name]:
            grid.add_row(f"[bold]{name}[/]", _plain(str(shown[name])))
    drawn = _table("step", "state", "started (UTC)", "time", "why")
    for step in facts["steps"]:
        drawn.add_row(
            step["step"],
            _coloured(step["state"]),
            _shown(step["started"]),
            _time(step["seconds"]),
            _plain(step["why"]),
        )
    tell(as_json, facts, rich.console.Group(grid, drawn) if facts["steps"] else grid)


@click.command()
@click.argument("run")
@server_options
def cancel(run: str, as_json: bool, **given: Any) -> None:
    """Cancel RUN (its id, the beginning of the id, or its name): its pods are stopped."""
    server, pipelines = _reach(given)
    found = pipelines.find_run(run)
    facts = {"run": found.run_id, "name": found.display_name, "page": run_page(server, found.run_id)}
    if found.state in _ENDED:
        tell(
            as_json,
            {**facts, "state": found.state},
            f"{found.display_name} has already {found.state.lower()}",
        )
        return
    pipelines.cancel(found.run_id)
    tell(as_json, {**facts, "state": "CANCELING"}, f"{found.display_name} is being canceled: {facts['page']}")


@click.command()
@server_options
def schedules(as_json: bool, **given: Any) -> None:
    """List the schedules."""
    server, pipelines = _reach(given)
    rows = [_schedule_facts(made) for made in pipelines.schedules()]
    drawn = _table("schedule", "state", "cron (seconds first)", "name")
    for row in rows:
        drawn.add_row(
            row["schedule"],
            _coloured(row["state"]),
            _plain(row["cron"] or "periodic"),
            _plain(row["name"]),
        )
    tell(as_json, rows, drawn if rows else f"{server.host} has no schedules yet: nsynth kubeflow schedule")


@click.command()
@click.argument("schedule")
@server_options
def pause(schedule: str, as_json: bool, **given: Any) -> None:
    """Pause SCHEDULE (id or name): it starts no runs until it is resumed."""
    _change(
        "pause",
        "is paused; resume it with nsynth kubeflow resume SCHEDULE",
        "DISABLED",
        schedule,
        as_json,
        given,
    )


@click.command()
@click.argument("schedule")
@server_options
def resume(schedule: str, as_json: bool, **given: Any) -> None:
    """Resume SCHEDULE (id or name): it starts runs again."""
    _change("resume", "is resumed", "ENABLED", schedule, as_json, given)


@click.command()
@click.argument("schedule")
@server_options
def delete(schedule: str, as_json: bool, **given: Any) -> None:
    """Delete SCHEDULE (id or name); its runs stay."""
    _change("delete", "is deleted; its runs stay", "DELETED", schedule, as_json, given)


COMMANDS = (runs, show, cancel, schedules, pause, resume, delete)


def _change(action: str, done: str, state: str, named: str, as_json: bool, given: dict[str, Any]) -> None:
    _, pipelines = _reach(given)
    found = pipelines.find_schedule(named)
    getattr(pipelines, action)(found.recurring_run_id)
    facts = {**_schedule_facts(found), "state": state}
    tell(as_json, facts, f"schedule {found.display_name} ({found.recurring_run_id}) {done}")


def _run_facts(server: Any, run: Any) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "name": run.display_name,
        "state": run.state or "PENDING",
        "created": _iso(run.created_at),
        "seconds": _seconds(run.created_at, run.finished_at),
        "schedule": run.recurring_run_id,
        "page": run_page(server, run.run_id),
    }


def _verdict(server: Any, run: Any) -> dict[str, Any]:
    """Return the record of the step Report, or why it is not available."""
    unknown = "the run has not ended"
    recorded: dict[str, dict[str, Any]] = {}
    try:
        if run.state in _ENDED:
            recorded = metadata.recorded(server, run.run_id)
            unknown = "" if recorded else "the step Report has recorded nothing"
    except nsynth.UserError as error:
        unknown = str(error)
    page, figures = recorded.get("page", {}), recorded.get("figures", {})
    numbers = {name: value for name, value in sorted(figures.items()) if isinstance(value, float)}
    version = numbers.pop("pushed_version", None)
    return {
        "verdict": page.get("verdict"),
        "why": page.get("why", ""),
        "pushed_version": int(version) if version else None,
        "figures": numbers,
        "verdict_unknown": unknown,
    }


def _figure(name: str, value: float) -> str:
    """Return a figure of Report with its name: shares in percent, differences of shares in points."""
    words = name.replace("_", " ")
    if name.startswith("margin"):
        return f"{words} {100 * value:+.1f} points"
    if name.endswith(("accuracy", "recall")):
        return f"{words} {value:.1%}"
    return f"{words} {value:,.0f}" if value.is_integer() else f"{words} {value:.4g}"


def _schedule_facts(made: Any) -> dict[str, Any]:
    cron = made.trigger.cron_schedule.cron if made.trigger and made.trigger.cron_schedule else None
    state = made.status or made.mode
    return {"schedule": made.recurring_run_id, "name": made.display_name, "state": state, "cron": cron}


def _steps(run: Any) -> list[dict[str, Any]]:
    """Return each step once, in the order of their starts, without drivers and groups of steps."""
    tasks = getattr(run.run_details, "task_details", None) or []
    rows = [
        {
            "step": task.display_name,
            "state": task.state or "PENDING",
            "started": _iso(task.start_time),
            "seconds": _seconds(task.start_time, task.end_time),
            "why": (task.error.message or "") if task.error else "",
        }
        for task in tasks
        if task.display_name not in _NO_STEPS and not task.display_name.endswith("-driver")
    ]
    return sorted(rows, key=lambda row: row["started"] or "9999")


def _why(run: Any, steps: list[dict[str, Any]]) -> str:
    """Return why the run stopped, if the server knows: the failed steps, or the run's error."""
    failed = [f"{step['step']} failed" + (f": {step['why']}" if step["why"] else "") for step in steps
              if step["state"] == "FAILED"]  # fmt: skip
    if failed:
        return "; ".join(failed)
    return (run.error.message or "") if run.error else ""


def _table(*names: str) -> rich.table.Table:
    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        wraps = name in ("why", "name")
        drawn.add_column(
            name, justify="right" if name == "time" else "left", no_wrap=not wraps, overflow="fold"
        )
    return drawn


def _coloured(state: str) -> str:
    colour = _COLOURS.get(state)
    return f"[{colour}]{state.lower()}[/]" if colour else state.lower()


def _plain(text: str) -> str:
    return rich.markup.escape(text)


def _known(moment: datetime.datetime | None) -> datetime.datetime | None:
    """Return the moment, or None: the server returns 1970 for events that have not happened yet."""
    return moment if moment and moment.year > 1970 else None


def _iso(moment: datetime.datetime | None) -> str | None:
    known = _known(moment)
    return known.isoformat() if known else None


def _seconds(start: datetime.datetime | None, end: datetime.datetime | None) -> float | None:
    start, end = _known(start), _known(end)
    return (end - start).total_seconds() if start and end else None


def _shown(iso: str | None) -> str:
    return datetime.datetime.fromisoformat(iso).strftime(_SECOND) if iso else "–"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else str(datetime.timedelta(seconds=round(seconds)))

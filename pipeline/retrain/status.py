"""What `nsynth status` tells: who works now, the last rounds, the next one, the champion, the disk."""

import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich.console
import rich.markup
import rich.table
from rich.filesize import decimal

import nsynth
from components.registry import Registry
from components.storage import disk_use
from components.version import Version
from pipeline.config import Config
from pipeline.errors import explain
from pipeline.history.ledger import Round
from pipeline.retrain import lock
from pipeline.retrain.due import next_round
from pipeline.retrain.round import Retraining
from pipeline.retrain.spans import Waiting, Work
from pipeline.tables import listing

_OTHER_COLUMNS = 67  # characters of the other columns
_COLOURS = {"pushed": "green", "kept": "cyan", "no new data": "dim"}


def status(config: Config, rounds: int) -> dict[str, Any]:
    """Return all that is told, ready for JSON.

    Args:
      config: all settings.
      rounds: how many of the last rounds to list.
    """
    retraining = Retraining(config)
    lines = retraining.ledger.rounds()
    registry = Registry(config.models)
    serving = registry.serving()
    due = next_round(config.retrain.schedule, lock.now())
    work, trouble = _work(retraining) if config.retrain.spans else (Work((), ()), None)
    return {
        "running": str(lock.holder(retraining.lock_file)) if lock.is_held(retraining.lock_file) else None,
        "rounds": [line.model_dump(mode="json") for line in lines[-rounds:]],
        "rounds_in_all": len(lines),
        "waiting": [span.number for span in work.new],
        "not_yet": [span.for_json() for span in work.waiting],
        "trouble": trouble,
        "faulty_models": registry.faults(),
        "next_round": due.isoformat() if due else None,
        "champion": _champion(serving) if serving else None,
        "disk": {
            "artifacts": disk_use(config.artifacts),
            "models": disk_use(Path(config.models)) if "://" not in config.models else None,
            "workspace": disk_use(config.workspace),
            "free": _disk_free(config.workspace),
        },
    }


def print_status(told: dict[str, Any], console: rich.console.Console) -> None:
    """Print the status as text."""
    if told["running"]:
        console.print(f"[yellow]running[/]    {told['running']}", highlight=False)
    console.print(f"next round {told['next_round'] or 'never'} (if nsynth schedule runs)", highlight=False)
    if told["waiting"]:
        console.print(f"waiting    {len(told['waiting'])} new span(s): {told['waiting']}", highlight=False)
    for span in told["not_yet"]:
        shown = str(Waiting(**{**span, "until": _moment(span["until"])}))
        console.print("not yet   ", rich.markup.escape(shown), highlight=False, soft_wrap=True)
    for trouble in (*([told["trouble"]] if told["trouble"] else ()), *told["faulty_models"]):
        console.print("[red]problem[/]   ", rich.markup.escape(trouble), highlight=False, soft_wrap=True)
    champion = told["champion"]
    if champion:
        age = f"{champion['age_days']:.1f} days old" if champion["age_days"] is not None else "of unknown age"
        accuracy = f", accuracy {champion['accuracy']:.1%}" if champion["accuracy"] is not None else ""
        console.print(
            f"champion   version {champion['version']}, {age}, of spans {champion['spans']}{accuracy}",
            highlight=False,
        )
    else:
        console.print("champion   none yet")
    disk = {name: decimal(size) for name, size in told["disk"].items() if size is not None}
    console.print(
        f"disk       {disk['workspace']} in the workspace ({disk['artifacts']} of it artifacts), "
        f"{disk['free']} free",
        highlight=False,
    )
    if told["rounds"]:
        lines = (Round.model_validate(line) for line in told["rounds"])
        console.print(rounds_table(lines, console.width))


def rounds_table(rounds: Iterator[Round], width: int) -> rich.table.Table:
    """Return a row for each round; the reason is shortened to fit into `width` characters."""
    table = listing("round", "started (UTC)", "duration", "spans", "outcome", "accuracy", "reason")
    for line in rounds:
        colour = _COLOURS.get(line.outcome, "red")
        table.add_row(
            str(line.number),
            f"{line.started:%Y-%m-%d %H:%M}",
            str(datetime.timedelta(seconds=int(line.seconds))),
            _numbers(tuple(span.number for span in line.new)),
            f"[{colour}]{line.outcome}[/]",
            f"{line.accuracy:.1%}" if line.accuracy is not None else "–",
            rich.markup.escape(_shortened(line.words, max(12, width - _OTHER_COLUMNS))),
        )
    return table


def _shortened(words: str, length: int) -> str:
    """Return the words on one line of at most `length` characters."""
    line = " ".join(words.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _numbers(spans: tuple[int, ...]) -> str:
    """Return the spans of a round; of many, the first and the last."""
    if len(spans) > 3:
        return f"{spans[0]} … {spans[-1]}"
    return ", ".join(map(str, spans)) or "–"


def _work(retraining: Retraining) -> tuple[Work, str | None]:
    """Return what the next round is to do; and what it will stumble over, if anything."""
    try:
        work = retraining.work()
    except (nsynth.UserError, OSError) as error:
        return Work((), ()), explain(error)
    return work, "; ".join(str(span) for span in work.waiting if span.misnamed) or None


def _moment(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None


def _disk_free(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    found = os.statvfs(existing)
    return found.f_bavail * found.f_frsize


def _champion(serving: Version) -> dict[str, Any]:
    record = serving.record
    return {
        "version": serving.number,
        "age_days": (lock.now() - serving.pushed).total_seconds() / 86_400 if serving.pushed else None,
        "spans": list(record.spans),
        "accuracy": record.accuracy.value if record.accuracy else None,
        "verdict": record.verdict,
        "by_hand": record.by_hand,
    }

"""All runs and rounds of a workspace: the champion, every candidate, the data and what comes next.

Read from the ledger, the pushed versions and the facts beside each run's page. Imports no TensorFlow.
"""

import bisect
import datetime
from pathlib import Path

import pydantic

import atomic
import nsynth
from components.documents.data import DriftVerdict
from components.documents.document import Figure
from components.registry import Registry
from components.storage import disk_use
from components.version import Version
from pipeline.config import Config
from pipeline.errors import explain
from pipeline.history import past_runs
from pipeline.history.ledger import Ledger, Round
from pipeline.report.facts import Drift, RunFacts, facts_of, facts_path, read_facts
from pipeline.report.record import RunRecord

_RUNNING = "running"
_SLACK = datetime.timedelta(seconds=2)  # the ledger counts whole seconds


class Row(pydantic.BaseModel, frozen=True):
    """A round of retraining, a run, or both."""

    round: int | None = None
    run: str = ""
    started: datetime.datetime
    seconds: float
    outcome: str
    words: str
    accuracy: Figure | None = None
    """Of the candidate; without an interval both bounds are its value."""
    notes: int | None = None
    champion_accuracy: float | None = None
    """Of the champion of that time, on the same notes."""
    version: int | None = None
    spans: tuple[int, ...] = ()
    """New in a round; of a run, those that it was trained on."""
    notes_in: int | None = None
    quarantined: int | None = None
    drift: Drift | None = None
    page: str = ""
    """File name of its page, if there is one."""


class Champion(pydantic.BaseModel, frozen=True):
    """The version that is serving."""

    version: int
    pushed: datetime.datetime | None
    accuracy: Figure | None
    notes: int | None
    """On which the accuracy was measured."""
    verdict: str
    spans: tuple[int, ...]
    data: str
    notes_used: int | None
    run: str
    page: str
    restored_from: int | None
    reason: str


class Overview(pydantic.BaseModel, frozen=True):
    """Everything that the index shows."""

    name: str
    workspace: str
    written: datetime.datetime
    champion: Champion | None
    next_round: datetime.datetime | None
    """When a scheduler starts the next round; None without a schedule or without spans."""
    rows: tuple[Row, ...]
    """The oldest first."""
    disk: dict[str, int]
    """Bytes of the workspace's folders."""
    troubles: tuple[str, ...] = ()
    """What could not be read."""


def overview(config: Config, next_round: datetime.datetime | None = None) -> Overview:
    """Collect what is known of all runs and rounds.

    Args:
      config: names the workspace.
      next_round: when a scheduler starts the next round.
    """
    troubles: list[str] = []
    rounds: list[Round] = []
    try:
        rounds = Ledger(config.workspace / "retrain" / "rounds.jsonl").rounds()
    except (nsynth.UserError, OSError) as error:
        troubles.append(explain(error))
    reports = config.workspace / "reports"
    runs = _runs(config, reports)
    serving, versions = None, {}
    try:
        registry = Registry(config.models)
        versions = {version.number: version for version in registry.versions()}
        serving = versions[max(versions)] if versions else None
        troubles += registry.faults()
    except (nsynth.UserError, OSError) as error:
        troubles.append(explain(error))
    pages = {path.name for path in reports.glob("*.html")}
    return Overview(
        name=config.name,
        workspace=str(config.workspace),
        written=datetime.datetime.now(datetime.UTC),
        champion=_champion(serving, versions, runs, pages) if serving else None,
        next_round=next_round if config.retrain.spans else None,
        rows=tuple(_rows(rounds, runs, pages)),
        disk=_disk(config),
        troubles=tuple(troubles),
    )


def _runs(config: Config, reports: Path) -> list[RunFacts]:
    """Return the facts of all runs, oldest first; those that no page has left are read from the history and kept."""
    found = {facts.run: facts for path in reports.glob("*.json") if (facts := read_facts(path))}
    if past_runs.is_there(config.metadata):
        store = past_runs.open_store(config.metadata)
        for place, name in enumerate(past_runs.run_names(store)):
            if name in found and (place or found[name].outcome != _RUNNING):
                continue
            found[name] = facts_of(RunRecord(past_runs.load_run(store, name), config))
            atomic.write(facts_path(reports, name), found[name].model_dump_json(indent=1))
    return sorted(found.values(), key=lambda facts: facts.started)


def _rows(rounds: list[Round], runs: list[RunFacts], pages: set[str]) -> list[Row]:
    """Return rounds with their runs, and runs that belong to no round, by time."""
    of_round: dict[int, RunFacts] = {}  # the last attempt of each
    rows = []
    by_name = {line.run: line for line in rounds if line.run}
    begun = [line.started for line in rounds]
    for facts in runs:
        line = by_name.get(facts.run) or _during(facts, rounds, begun)
        if line is None:
            rows.append(_run_row(facts, pages))
        else:
            of_round[line.number] = facts
    rows += [_round_row(line, of_round.get(line.number), pages) for line in rounds]
    return sorted(rows, key=lambda row: row.started)


def _during(facts: RunFacts, rounds: list[Round], begun: list[datetime.datetime]) -> Round | None:
    """Return the round in which a run on spans began: the ledger does not name the run of one that failed."""
    place = bisect.bisect_right(begun, facts.started + _SLACK)
    line = rounds[place - 1] if place and facts.spans else None
    return line if line and facts.started <= line.ended + _SLACK else None


def _run_row(facts: RunFacts, pages: set[str]) -> Row:
    return Row(
        run=facts.run,
        started=facts.started,
        seconds=facts.seconds,
        outcome=facts.outcome,
        words=facts.words,
        accuracy=facts.accuracy,
        notes=facts.notes,
        champion_accuracy=facts.champion_accuracy.value if facts.champion_accuracy else None,
        version=facts.version,
        spans=facts.spans,
        notes_in=facts.notes_in,
        quarantined=facts.quarantined,
        drift=facts.drift,
        page=_page(facts.run, pages),
    )


def _round_row(line: Round, facts: RunFacts | None, pages: set[str]) -> Row:
    """Return how a round ended: the ledger decides, its run adds what only the artifacts tell."""
    told = line.facts.get("drift") or {}
    known = _run_row(facts, pages) if facts else None
    accuracy = known.accuracy if known else None
    if accuracy is None and line.accuracy is not None:
        accuracy = Figure(value=line.accuracy, low=line.accuracy, high=line.accuracy)
    return Row(
        round=line.number,
        run=line.run or (known.run if known else ""),
        started=line.started,
        seconds=line.seconds,
        outcome=line.outcome.value,
        words=line.words,
        accuracy=accuracy,
        notes=known.notes if known else None,
        champion_accuracy=line.champion_accuracy,
        version=line.version or None,
        spans=tuple(span.number for span in line.new),
        notes_in=known.notes_in if known else None,
        quarantined=known.quarantined if known else None,
        drift=Drift.of(DriftVerdict.model_validate(told)) if told else known.drift if known else None,
        page=known.page if known else _page(line.run, pages),
    )


def _page(run: str, pages: set[str]) -> str:
    name = f"{run.replace(':', '')}.html"
    return name if name in pages else ""


def _champion(
    serving: Version, versions: dict[int, Version], runs: list[RunFacts], pages: set[str]
) -> Champion:
    record = serving.record
    facts = next((facts for facts in runs if facts.run == record.run), None)
    return Champion(
        version=serving.number,
        pushed=serving.pushed,
        accuracy=record.accuracy,
        notes=facts.notes if facts else None,
        verdict=record.verdict,
        spans=record.spans if facts is None or facts.spans else (),
        data=facts.data if facts else "",
        notes_used=facts.notes_used if facts else None,
        run=record.run,
        page=_page(record.run, pages),
        restored_from=record.restored_from,
        reason=record.reason,
    )


def _disk(config: Config) -> dict[str, int]:
    """Return bytes of what grows in the workspace."""
    folders = {"artifacts": config.artifacts, "reports": config.workspace / "reports"}
    if "://" not in config.models:
        folders["models"] = Path(config.models)
    folders["workspace"] = config.workspace
    return {name: disk_use(folder) for name, folder in folders.items()}

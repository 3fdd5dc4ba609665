"""A workspace with many past rounds, made up: the ledger, the facts of their runs, and the champion."""

import datetime
import random
from pathlib import Path

from components.documents.document import Figure
from components.registry import Registry
from components.version import Record
from pipeline.config import Config
from pipeline.history.ledger import Ledger, Outcome, Round, Span
from pipeline.report.facts import RunFacts, facts_path
from tests.pipeline.report.past_run import EVIL

FIRST = datetime.datetime(2026, 1, 1, 3, tzinfo=datetime.UTC)
_ORDER = ("pushed", "kept", "kept", "no new data", "kept", "refused", "kept", "failed", "kept", "timed out")
_WORDS = {
    "kept": "not blessed: accuracy",
    "refused": f"imbalance: {EVIL}",
    "failed": "disk full",
    "no new data": "all spans are settled",
}


def write_rounds(folder: Path, count: int) -> Config:
    """Write a ledger of `count` daily rounds, facts of their runs, pages of the newest 30, and the champion."""
    config = Config(workspace=folder, name="nsynth-test", retrain={"spans": folder / "spans"})
    random.seed(count)
    lines, champion, before = [], 0, None
    for number in range(1, count + 1):
        started = FIRST + datetime.timedelta(days=number - 1)
        outcome = Outcome(_ORDER[(number - 1) % len(_ORDER)])
        judged = outcome.settles
        accuracy = (
            round(min(0.95, 0.4 + 0.3 * number / count + random.uniform(-0.05, 0.05)), 3) if judged else None
        )
        champion_accuracy = before if judged else None
        version = int(started.timestamp()) + 600 if outcome is Outcome.PUSHED else 0
        champion, before = (version, accuracy) if version else (champion, before)
        run = f"{started:%Y-%m-%dT%H:%M:%S}.000001" if judged else ""
        lines.append(
            Round(
                number=number, outcome=outcome, words=_WORDS.get(outcome.value, "blessed: better"), started=started,
                ended=started + datetime.timedelta(seconds=random.randrange(200, 900)), window=(number,),
                new=(Span(number=number, fingerprint=str(number)),), run=run, version=version, champion=champion,
                accuracy=accuracy, champion_accuracy=champion_accuracy, facts=_facts(number) if judged else {},
            )
        )  # fmt: skip
        if judged:
            _page(config, lines[-1], page=number > count - 30)
    ledger = Ledger(folder / "retrain" / "rounds.jsonl")
    ledger.append(lines[0])
    with open(ledger.file, "a") as file:
        file.writelines(line.model_dump_json() + "\n" for line in lines[1:])
    record = Record(
        run=next(line.run for line in lines[::-1] if line.version), spans=(1, 2), verdict="blessed: better",
        accuracy=Figure(value=before or 0, low=(before or 0) - 0.05, high=(before or 0) + 0.05),
    )  # fmt: skip
    Registry(config.models).publish(lambda at: Path(at, "saved_model.pb").write_bytes(b"m") and None, record)
    return config


def _facts(span: int) -> dict:
    check = {"name": "prediction drift", "measured": 0.05, "limit": 0.2, "outcome": "ok", "words": ""}
    distances = {span - 1: {"pitch": random.uniform(0, 0.2), "velocity": 0.01}} if span > 1 else {}
    return {"drift": {"accepted": True, "span": span, "checks": [check], "distances": distances}}


def _page(config: Config, line: Round, page: bool) -> None:
    reports = config.workspace / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    if page:
        facts_path(reports, line.run).with_suffix(".html").write_text("<!DOCTYPE html><title>page</title>")
    figure = Figure(value=line.accuracy, low=line.accuracy - 0.06, high=line.accuracy + 0.06)
    facts = RunFacts(
        run=line.run, started=line.started, seconds=line.seconds, outcome="pushed", words="", accuracy=figure,
        notes=1_440, notes_in=2_000 + line.number, notes_used=1_990, quarantined=line.number % 7, spans=(line.number,),
    )  # fmt: skip
    facts_path(reports, line.run).write_text(facts.model_dump_json())

"""The clock: rounds start when they are due, missed ones are made up for by one, and it stops cleanly."""

import datetime
import os
import signal
import threading
import time

import pytest
from apscheduler.triggers.base import BaseTrigger

from pipeline.history.ledger import Outcome, Round
from pipeline.retrain import schedule
from pipeline.retrain.lock import LockedError
from pipeline.retrain.options import ScheduleOptions
from pipeline.retrain.round import Retraining
from pipeline.retrain.schedule import Scheduler

PUSHED = {"ending": "pushed", "words": "better"}
NEVER_IN_A_TEST = "0 0 29 2 *"


def utc(*moment: int) -> datetime.datetime:
    return datetime.datetime(*moment, tzinfo=datetime.UTC)


def test_a_round_starts_a_little_late(config, stand_in, monkeypatch):
    asked = []
    monkeypatch.setattr("random.uniform", lambda *bounds: asked.append(bounds) or 0.0)
    start(config, stand_in, jitter_s=40).round()
    assert asked == [(0, 40)]


class Counted:
    """Stands in for a workspace's rounds."""

    def __init__(self, takes_s: float = 0.0, locked: int = 0):
        self.rounds, self._takes_s, self._locked = 0, takes_s, locked

    def retrain(self, name: str, stop: threading.Event) -> Round:
        self.rounds += 1
        time.sleep(self._takes_s)
        if self.rounds <= self._locked:
            raise LockedError("in use by nsynth gc")
        return Round(
            number=self.rounds, outcome=Outcome.KEPT, words="", started=utc(2026, 1, 1), ended=utc(2026, 1, 1)
        )


@pytest.mark.slow
def test_a_round_that_came_due_while_one_ran_is_run_after_it(monkeypatch):
    now = datetime.datetime.now(datetime.UTC)
    moments = [now + datetime.timedelta(seconds=wait) for wait in (0.2, 0.5)]

    class Twice(BaseTrigger):
        def get_next_fire_time(self, before, now):
            return next((moment for moment in moments if not before or moment > before), None)

    monkeypatch.setattr(schedule, "trigger", lambda options: Twice())
    rounds = Counted(takes_s=1.0)
    scheduler = Scheduler(rounds, ScheduleOptions(jitter_s=0, catch_up=False))
    send_when(lambda: rounds.rounds == 2, signal.SIGTERM)
    scheduler.run()
    assert rounds.rounds == 2


def test_a_round_waits_for_whoever_is_at_work(monkeypatch):
    monkeypatch.setattr(schedule, "_LOCKED_S", 0.01)
    rounds = Counted(locked=2)
    Scheduler(rounds, ScheduleOptions(jitter_s=0)).round()
    assert rounds.rounds == 3


def test_a_round_that_started_on_the_second_was_not_missed(config, stand_in, deliver):
    deliver(1)
    scheduler = start(config, stand_in.will(PUSHED), cron="0 3 * * *")
    ledger = Retraining(config, stand_in.start).ledger
    line = Retraining(config, stand_in.start).retrain("me")
    today = datetime.datetime.now(datetime.UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    last = today if today < datetime.datetime.now(datetime.UTC) else today - datetime.timedelta(days=1)
    ledger.file.write_text(line.model_copy(update={"started": last}).model_dump_json() + "\n")
    assert scheduler._missed() is None


def start(config, stand_in, **options) -> Scheduler:
    schedule = ScheduleOptions(**{"cron": NEVER_IN_A_TEST, "jitter_s": 0, "stop_grace_s": 0.2, **options})
    return Scheduler(Retraining(config, stand_in.start), schedule)


def send_when(condition, number: signal.Signals) -> None:
    def send() -> None:
        while not condition():
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def test_a_missed_round_is_made_up_for_by_one_and_sigterm_stops(config, stand_in, deliver):
    deliver(1)
    retraining = Retraining(config, stand_in.will(PUSHED, PUSHED, PUSHED).start)
    line = retraining.retrain("me")
    long_ago = line.model_copy(update={"started": utc(2020, 1, 1), "number": 1})
    retraining.ledger.file.write_text(long_ago.model_dump_json() + "\n")
    deliver(2)
    send_when(lambda: len(retraining.ledger.rounds()) > 1, signal.SIGTERM)
    start(config, stand_in).run()
    assert [line.outcome for line in retraining.ledger.rounds()] == [Outcome.PUSHED, Outcome.PUSHED]


def test_nothing_is_made_up_for_where_that_is_off_or_nothing_was_missed(config, stand_in, deliver):
    deliver(1)
    scheduler = start(config, stand_in.will(PUSHED))
    send_when(lambda: scheduler.running, signal.SIGTERM)
    scheduler.run()
    assert not stand_in.asked


def test_a_running_round_is_ended_after_its_grace_and_written_down(config, stand_in, deliver):
    deliver(1)
    retraining = Retraining(config, stand_in.will(PUSHED).start)
    line = retraining.retrain("me").model_copy(update={"started": utc(2020, 1, 1)})
    retraining.ledger.file.write_text(line.model_dump_json() + "\n")
    deliver(2)
    stand_in.will("hang")
    send_when(lambda: (stand_in.folder / "hanging").exists(), signal.SIGINT)
    began = time.monotonic()
    start(config, stand_in).run()
    assert time.monotonic() - began < 30
    assert retraining.ledger.rounds()[-1].outcome is Outcome.INTERRUPTED


def test_an_error_in_a_round_does_not_stop_the_clock(config, stand_in, caplog):
    scheduler = start(config, stand_in)
    ledger = Retraining(config).ledger.file
    ledger.parent.mkdir(parents=True)
    ledger.write_text("scribble\n")
    scheduler.round()
    assert "round failed" in caplog.text

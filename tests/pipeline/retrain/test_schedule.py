"""The clock: rounds start when they are due, missed ones are made up for by one, and it stops cleanly."""

import datetime
import os
import signal
import threading
import time

import pydantic
import pytest

import nsynth
from pipeline.retrain.options import ScheduleOptions
from pipeline.retrain.outcome import Outcome
from pipeline.retrain.round import Retraining
from pipeline.retrain.schedule import Scheduler, next_round, trigger

PUSHED = {"ending": "pushed", "words": "better"}
NEVER_IN_A_TEST = "0 0 29 2 *"


def utc(*moment: int) -> datetime.datetime:
    return datetime.datetime(*moment, tzinfo=datetime.UTC)


def test_the_hour_is_that_of_the_time_zone_in_summer_and_winter():
    options = ScheduleOptions(cron="30 3 * * *", timezone="Europe/Berlin")
    assert next_round(options, utc(2025, 7, 1)) == utc(2025, 7, 1, 1, 30)
    assert next_round(options, utc(2025, 12, 1)) == utc(2025, 12, 1, 2, 30)


def test_a_bad_expression_or_zone_is_told():
    with pytest.raises(nsynth.UserError, match=r"retrain\.schedule\.cron"):
        trigger(ScheduleOptions(cron="61 3 * * *"))
    with pytest.raises(pydantic.ValidationError, match="five fields"):
        ScheduleOptions(cron="0 0 3 * * *")
    with pytest.raises(pydantic.ValidationError, match="Europe/Berlin"):
        ScheduleOptions(timezone="Mars/Olympus")


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

"""Rounds by the clock: APScheduler decides when, one at a time, with a stop that leaves nothing half-done."""

import datetime
import logging
import signal
import threading
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

import nsynth
from pipeline.retrain.lock import LockedError
from pipeline.retrain.options import ScheduleOptions
from pipeline.retrain.round import Retraining

_JOB = "round"
_log = logging.getLogger(__name__)


def trigger(options: ScheduleOptions) -> CronTrigger:
    """When rounds are due.

    Raises:
      nsynth.UserError: no cron expression.
    """
    try:
        found = CronTrigger.from_crontab(options.cron, ZoneInfo(options.timezone))
    except ValueError as error:
        raise nsynth.UserError(
            f"retrain.schedule.cron = {options.cron!r}: {error}; write it like 0 3 * * * for every day at 3"
        ) from error
    found.jitter = options.jitter_s or None
    return found


def next_round(options: ScheduleOptions, after: datetime.datetime) -> datetime.datetime | None:
    """When the first round after `after` is due, jitter aside; None if never."""
    due = trigger(options)
    due.jitter = None
    return due.get_next_fire_time(None, after)


class Scheduler:
    """Runs until it is told to stop."""

    def __init__(self, retraining: Retraining, options: ScheduleOptions):
        self._retraining = retraining
        self._options = options
        self._stopping = threading.Event()  # no more rounds
        self._stop_round = threading.Event()  # nor this one
        self._scheduler = BackgroundScheduler(
            timezone=ZoneInfo(options.timezone),
            # Rounds that came due while one was running, or the machine asleep, are made up for by one.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def run(self) -> None:
        """Runs rounds by the clock until SIGTERM or SIGINT, then lets a running round end in its grace time."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, lambda *_: self.stop()) for number in numbers]
        self.start()
        self._stopping.wait()
        _log.info("stopping")
        grace = threading.Timer(self._options.stop_grace_s, self._stop_round.set)
        grace.start()
        self._scheduler.shutdown(wait=True)
        grace.cancel()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    @property
    def running(self) -> bool:
        """Whether the clock runs."""
        return self._scheduler.running

    def start(self) -> None:
        """Starts the clock."""
        missed = self._options.catch_up and self._missed()
        if missed:
            _log.info("a round was due at %s: making up for it", missed)
        extra = {"next_run_time": datetime.datetime.now(datetime.UTC)} if missed else {}
        self._scheduler.add_job(self.round, trigger(self._options), id=_JOB, **extra)
        self._scheduler.start()
        job = self._scheduler.get_job(_JOB)
        _log.info("next round at %s", job.next_run_time if job else "no time")

    def stop(self) -> None:
        """Makes `run` come to its end."""
        self._stopping.set()

    def round(self) -> None:
        """One round; an error is told and the clock goes on."""
        try:
            line = self._retraining.retrain("nsynth schedule", stop=self._stop_round)
        except LockedError as error:
            _log.warning("round skipped: %s", error)
        except nsynth.UserError as error:
            _log.error("round failed: %s", error)
        except Exception:
            _log.exception("round failed")
        else:
            _log.info("round %d: %s: %s", line.number, line.outcome, line.words)

    def _missed(self) -> datetime.datetime | None:
        """When the first round was due since the last one, if that is past."""
        rounds = self._retraining.ledger.rounds()
        if not rounds:
            return None
        due = next_round(self._options, rounds[-1].started)
        return due if due and due <= datetime.datetime.now(datetime.UTC) else None

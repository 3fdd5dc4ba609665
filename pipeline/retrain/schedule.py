"""Rounds by the clock: APScheduler decides when, one at a time, with a stop that leaves nothing unfinished."""

import datetime
import logging
import random
import signal
import threading
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.background import BackgroundScheduler

import nsynth
from pipeline.retrain.due import next_round, trigger
from pipeline.retrain.lock import LockedError
from pipeline.retrain.options import ScheduleOptions
from pipeline.retrain.round import Retraining

_JOB = "round"
_LOCKED_S = 60.0  # between two looks whether the workspace is free
_log = logging.getLogger(__name__)


class Scheduler:
    """Runs until it is told to stop."""

    def __init__(self, retraining: Retraining, options: ScheduleOptions):
        self._retraining = retraining
        self._options = options
        self._stopping = threading.Event()  # no more rounds
        self._stop_round = threading.Event()  # nor this one
        self._due_again = threading.Event()  # while a round was running
        self._scheduler = BackgroundScheduler(
            timezone=ZoneInfo(options.timezone),
            # Rounds that came due while the machine was asleep are made up for by one.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(lambda _: self._due_again.set(), EVENT_JOB_MAX_INSTANCES)

    def run(self) -> None:
        """Run rounds by the clock until SIGTERM or SIGINT, then let a running round end in its grace time."""
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
        """Start the clock."""
        missed = self._options.catch_up and self._missed()
        if missed:
            _log.info("a round was due at %s: making up for it", missed)
        extra = {"next_run_time": datetime.datetime.now(datetime.UTC)} if missed else {}
        self._scheduler.add_job(self.round, trigger(self._options), id=_JOB, **extra)
        self._scheduler.start()
        job = self._scheduler.get_job(_JOB)
        _log.info("next round at %s", job.next_run_time if job else "no time")

    def stop(self) -> None:
        """Make `run` come to its end."""
        self._stopping.set()

    def round(self) -> None:
        """One round, and another one if that came due meanwhile; an error is told and the clock goes on."""
        # By ourselves, since APScheduler's jitter loses track in the hour that the end of summer time repeats.
        self._stopping.wait(random.uniform(0, self._options.jitter_s))
        again = True
        while again and not self._stopping.is_set():
            self._due_again.clear()
            again = self._round() or self._due_again.is_set()

    def _round(self) -> bool:
        """One round; whether it is still to be run, since somebody else was at work."""
        try:
            line = self._retraining.retrain("nsynth schedule", stop=self._stop_round)
        except LockedError as error:
            _log.warning("the round waits: %s", error)
            self._stopping.wait(_LOCKED_S)
            return True
        except nsynth.UserError as error:
            _log.error("round failed: %s", error)
        except Exception:
            _log.exception("round failed")
        else:
            _log.info("round %d: %s: %s", line.number, line.outcome, line.words)
        return False

    def _missed(self) -> datetime.datetime | None:
        """When the first round was due since the last one, if that is past."""
        rounds = self._retraining.ledger.rounds()
        if not rounds:
            return None
        started = rounds[-1].started + datetime.timedelta(seconds=1)  # it is cut to the second
        due = next_round(self._options, started)
        return due if due and due <= datetime.datetime.now(datetime.UTC) else None

"""One unattended round: is there a new span? Then train on the newest ones, judge, push or keep, and write it down."""

import logging
import threading

import nsynth
from components.registry import Registry
from pipeline.config import Config
from pipeline.retrain import ledger, lock
from pipeline.retrain.child import Request, Result, Starter, run_child, spawn
from pipeline.retrain.hooks import call_hooks
from pipeline.retrain.ledger import Ledger, Round
from pipeline.retrain.outcome import Outcome
from pipeline.retrain.spans import Work, choose, find_spans

_log = logging.getLogger(__name__)


class Retraining:
    """Rounds in one workspace."""

    def __init__(self, config: Config, start: Starter = spawn):
        self._config = config
        self._options = config.retrain
        self._start = start
        self.folder = config.workspace / "retrain"
        self.lock_file = self.folder / "lock"
        self.ledger = Ledger(self.folder / "rounds.jsonl")

    def retrain(self, name: str, force: bool = False, stop: threading.Event | None = None) -> Round:
        """Runs a round; after a refused span another one, if other new spans are left.

        Args:
          name: of the caller, for the lock.
          force: train although there is no new span; spans that were refused are judged once more.
          stop: once set, a running pipeline is ended; what it has finished is kept for the next round.

        Returns:
          The last round.

        Raises:
          lock.LockedError: somebody else works in the workspace.
          nsynth.UserError: no folder of spans, or a damaged ledger.
        """
        stop = stop or threading.Event()
        with lock.hold(self.lock_file, name) as held:
            if held.left_behind:
                self._write_down_crash(held.left_behind)
            while True:
                done = self._round(force, stop, held.descriptor)
                force = False
                if done.outcome is not Outcome.REFUSED or not self.work().new or stop.is_set():
                    return done

    def work(self, force: bool = False) -> Work:
        """What the next round is to do; with `force`, refused spans have another chance."""
        if self._options.spans is None:
            raise nsynth.UserError(
                "retrain.spans is not set: name the folder in which span-000001, span-000002 … arrive"
            )
        rounds = self.ledger.rounds()
        found = find_spans(self._options.spans, self._options.settle_s)
        refused = set() if force else ledger.refused(rounds)
        return choose(found, ledger.settled(rounds), refused, self._options.window)

    def _round(self, force: bool, stop: threading.Event, held: int) -> Round:
        started, work = lock.now(), self.work(force)
        number = len(self.ledger.rounds()) + 1
        if not work.window or not (work.new or force):
            result, attempts = Result(ending="kept", words=_nothing_new(work)), 0
            outcome = Outcome.NO_NEW_DATA
        else:
            result, attempts = self._run(number, work, stop, held)
            outcome = Outcome(result.ending) if result.ending != "passing" else Outcome.FAILED
        serving = Registry(self._config.models).serving()
        line = Round(
            number=number,
            outcome=outcome,
            words=result.words,
            started=started,
            ended=lock.now(),
            window=tuple(span.number for span in work.window),
            new=work.new,
            refused=next((span for span in work.window if span.number == result.refused), None),
            run=result.run,
            attempts=attempts,
            version=result.version,
            champion=serving.number if serving else 0,
            accuracy=result.accuracy,
            champion_accuracy=result.champion_accuracy,
            facts=result.facts,
            warnings=result.warnings,
        )
        self._write_down(line)
        return line

    def _run(self, number: int, work: Work, stop: threading.Event, held: int) -> tuple[Result, int]:
        """Runs the pipeline until it succeeds, fails for good, or has had its attempts."""
        request = Request(
            config=self._recipe_of(self._config),
            window=tuple(span.number for span in work.window),
            judge=tuple(span.number for span in work.window if span in work.new or span == work.newest),
            log_file=self._config.workspace / "logs" / f"round-{number:06d}.log",
            result_file=self.folder / f"round-{number:06d}.json",
        )
        retry = self._options.retry
        for attempt in range(1, retry.attempts + 1):
            result = run_child(request, held, self._options.time_limit_s, stop, self._start)
            if result.ending != "passing" or attempt == retry.attempts:
                break
            wait_s = min(retry.wait_s * 2 ** (attempt - 1), retry.max_wait_s)
            _log.warning("attempt %d failed (%s); the next one in %g s", attempt, result.words, wait_s)
            if stop.wait(wait_s):
                return result.model_copy(update={"ending": "interrupted"}), attempt
        return result, attempt

    def _recipe_of(self, config: Config) -> Config:
        """The configuration of this round: now and then training starts afresh, if so set."""
        every = self._options.fresh_every
        trained = sum(line.outcome.settles for line in self.ledger.rounds())
        if not every or trained % every:
            return config
        return config.model_copy(update={"recipe": config.recipe.model_copy(update={"warm_start": False})})

    def _write_down_crash(self, holder: lock.Holder) -> None:
        for file in self.folder.glob("round-*.*"):  # what it told its child, and perhaps the answer
            file.unlink()
        rounds = self.ledger.rounds()
        line = Round(
            number=len(rounds) + 1,
            outcome=Outcome.CRASHED,
            words=f"{holder} was killed or lost power; this round goes on from where it stopped",
            started=holder.started,
            ended=lock.now(),
        )
        self._write_down(line)

    def _write_down(self, line: Round) -> None:
        """Calls the hooks, then adds the line with what they said."""
        event = line.outcome.event
        hooks = self._options.hooks.get(event, ()) if event else ()  # type: ignore[call-overload]
        failures = call_hooks(hooks, str(event), line.model_dump_json(), self._options.hook_timeout_s)
        for failure in failures:
            _log.warning("%s", failure)
        self.ledger.append(line.model_copy(update={"warnings": (*line.warnings, *failures)}))


def _nothing_new(work: Work) -> str:
    if not work.window:
        return "no span has arrived yet"
    return f"no new span: {work.newest.number} is the newest and was used before (--force trains again)"

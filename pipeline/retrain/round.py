"""One unattended round: is there a new span? Then train on the newest ones, judge, push or keep, and write it down."""

import contextlib
import datetime
import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator

import nsynth
from components.pusher.copies import copy_versions
from components.registry import Registry
from pipeline.config import Config
from pipeline.errors import explain
from pipeline.history import ledger
from pipeline.history.ledger import Ledger, Outcome, Round, Span
from pipeline.retrain import lock
from pipeline.retrain.child import Request, Result, Starter, run_child, spawn
from pipeline.retrain.faults import may_pass
from pipeline.retrain.hooks import call_hooks
from pipeline.retrain.index import write_index_if_possible
from pipeline.retrain.options import RetrainOptions
from pipeline.retrain.spans import SIX_DIGITS, Work, choose, find_spans, nothing_new, within_spans
from pipeline.retrain.watcher import Watcher

_log = logging.getLogger(__name__)


class NotWrittenDownError(nsynth.UserError):
    """A round came to an end that the ledger does not tell of."""

    def __init__(self, line: Round, why: str):
        super().__init__(
            f"round {line.number} is not in the ledger ({why}). It ended as {line.outcome}: {line.words}"
        )
        self.event = line.outcome.event


class Retraining:
    """Rounds in one workspace."""

    def __init__(self, config: Config, start: Starter = spawn, names: re.Pattern[str] = SIX_DIGITS):
        """Set up for the workspace of `config`; `names` is how span folders are called."""
        self._config = config
        self._options = config.retrain
        self._start, self._names = start, names
        self.folder = config.workspace / "retrain"
        self.lock_file = self.folder / "lock"
        self.ledger = Ledger(self.folder / "rounds.jsonl")
        self._watcher = Watcher(self._options.watcher, self._options.hook_timeout_s)
        self._unheard: tuple[str, ...] = ()  # why the watcher does not know that the round has begun

    def retrain(self, name: str, force: bool = False, stop: threading.Event | None = None) -> Round:
        """Run a round; after a refused span another one, if other spans are left.

        Args:
          name: of the caller, for the lock.
          force: train although there is no new span; spans that were refused are judged once more.
          stop: once set, a running pipeline is ended; what it has finished is kept for the next round.

        Returns:
          The last round.

        Raises:
          lock.LockedError: somebody else works in the workspace.
          nsynth.UserError: retrain.spans is not set, or the ledger is damaged or has no room; hooks and watcher
            know of it.
        """
        with telling(self._config):
            self._folder_of_spans()
            with lock.hold(self.lock_file, name) as held:
                done = self._rounds(force, stop or threading.Event(), held)
        self._watcher.ended(done.outcome.as_it_should_be)
        return done

    def _rounds(self, force: bool, stop: threading.Event, held: lock.Lock) -> Round:
        """Run rounds while there is something left to do."""
        self.ledger.reserve()
        self._unheard = self._watcher.begun()
        if held.left_behind:
            self._write_down_crash(held.left_behind)
        left_out: set[Span] = set()
        done = self.write_down(self._round(force, left_out, stop, held.descriptor))
        while (done.refused or done.late) and not stop.is_set():
            if done.refused:
                left_out.add(done.refused)
            # A late push is what was asked for: after it only new spans need another round.
            force = force and not done.late
            following = self._round(force, left_out, stop, held.descriptor)
            if following.outcome is Outcome.NO_NEW_DATA:
                break
            done = self.write_down(following)
        return done

    def work(self, force: bool = False, left_out: Iterable[Span] = ()) -> Work:
        """Return what the next round is to do.

        Args:
          force: spans refused by earlier rounds have another chance.
          left_out: spans that have none.

        Raises:
          nsynth.UserError: no folder of spans, or a damaged ledger.
          OSError: the folder cannot be read.
        """
        rounds = self.ledger.rounds()
        found = find_spans(self._folder_of_spans(), self._options.settle_s, self._names)
        refused = set() if force else ledger.refused(rounds)
        return choose(found, ledger.settled(rounds), refused | set(left_out), self._options.window)

    def nothing_to_do(self, work: Work, force: bool) -> Result | None:
        """Return how a round ends that has nothing to do; None if it has."""
        if work.window and (work.new or force):
            return None
        misnamed = any(span.misnamed for span in work.waiting)
        words = nothing_new(work, self._folder_of_spans())
        return Result(ending="failed" if misnamed else "no new data", words=words)

    def _folder_of_spans(self) -> str:
        if self._options.spans is None:
            raise nsynth.UserError(
                "retrain.spans is not set: set it to the folder in which span-000001, span-000002 … arrive"
            )
        holdout = self._options.holdout
        if holdout is not None and within_spans(holdout, self._options.spans):
            raise nsynth.UserError(
                f"retrain.holdout = {holdout} is inside a span, or is the folder of spans, but must not be used for "
                "training. Move the held-out notes to a separate folder."
            )
        return self._options.spans

    def _round(self, force: bool, left_out: set[Span], stop: threading.Event, held: int) -> Round:
        """Run a round and tell what is to be written down."""
        number, started = len(self.ledger.rounds()) + 1, lock.now()
        work, result, attempts = self._try(number, force, left_out, stop, held)
        return self.line(work, result, started, attempts, self._unheard)

    def line(
        self,
        work: Work,
        result: Result,
        started: datetime.datetime,
        attempts: int,
        unheard: tuple[str, ...] = (),
    ) -> Round:
        """Return what is to be written down of a round.

        Args:
          work: what it was to do.
          result: how it ended.
          started: when it began.
          attempts: 0 if there was nothing to do.
          unheard: why the watcher does not know that it has begun.
        """
        window = result.late or tuple(span.number for span in work.window)
        outcome = Outcome(result.ending if result.ending != "passing" else "failed")
        champion, warnings = self._champion()
        not_copied = copy_versions(self._config.models, self._config.push.copy_to)
        return Round(
            number=len(self.ledger.rounds()) + 1,
            outcome=outcome,
            words=result.words,
            started=started,
            ended=lock.now(),
            window=window,
            new=tuple(span for span in work.new if span.number in window),
            refused=_refused_span(result, work) if outcome is Outcome.REFUSED else None,
            run=result.run,
            attempts=attempts,
            version=result.version,
            champion=champion,
            accuracy=result.accuracy,
            champion_accuracy=result.champion_accuracy,
            facts=result.facts,
            waiting=tuple(map(str, work.waiting)),
            warnings=(*result.warnings, *warnings, *unheard, *filter(None, [not_copied])),
            late=bool(result.late),
        )

    def _try(
        self, number: int, force: bool, left_out: set[Span], stop: threading.Event, held: int
    ) -> tuple[Work, Result, int]:
        """Try until the round succeeds, fails for good, or has had its attempts or its time.

        Returns:
          The work, how it ended, and the number of attempts; 0 if there was nothing to do.
        """
        retry, deadline = self._options.retry, time.monotonic() + self._options.time_limit_s
        for attempt in range(1, retry.attempts + 1):
            work = Work((), ())
            try:
                work = self.work(force, left_out)
                if nothing := self.nothing_to_do(work, force):
                    return work, nothing, attempt if nothing.ending == "failed" else 0
                result = run_child(self._request(number, work), held, deadline, stop, self._start)
            except (nsynth.UserError, OSError) as error:  # at night nobody would see it but in the ledger
                result = Result(ending="passing" if may_pass(error) else "failed", words=explain(error))
            wait_s = min(retry.wait_s * 2 ** (attempt - 1), retry.max_wait_s)
            over = attempt == retry.attempts or time.monotonic() + wait_s >= deadline
            if result.ending != "passing" or over:
                break
            _log.warning("attempt %d failed (%s); the next one in %g s", attempt, result.words, wait_s)
            if stop.wait(wait_s):
                return work, result.model_copy(update={"ending": "interrupted"}), attempt
        return work, result, attempt

    def _request(self, number: int, work: Work) -> Request:
        return Request(
            config=self._recipe_of(self._config),
            window=tuple(span.number for span in work.window),
            judge=tuple(span.number for span in work.window if span in work.new or span == work.newest),
            new=tuple(span.number for span in work.new),
            log_file=self._config.workspace / "logs" / f"round-{number:06d}.log",
            result_file=self.folder / f"round-{number:06d}.json",
        )

    def _champion(self) -> tuple[int, tuple[str, ...]]:
        """Return the version that serves, 0 if there is none; and what kept it from being known."""
        try:
            registry = Registry(self._config.models)
            serving, faults = registry.serving(), registry.faults()
        except (nsynth.UserError, OSError) as error:
            return 0, (f"which version serves is unknown: {explain(error)}",)
        return (serving.number if serving else 0), tuple(faults)

    def _recipe_of(self, config: Config) -> Config:
        """Return the configuration of this round: now and then training starts afresh, if so set."""
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
            words=f"{holder} was killed or lost power; this round resumes where it stopped",
            started=holder.started,
            ended=lock.now(),
        )
        self.write_down(line)

    def write_down(self, line: Round) -> Round:
        """Call the hooks, then add the line with what they said, which is returned.

        Raises:
          NotWrittenDownError: no room, not even the one that was kept, or no right to write.
        """
        line = line.model_copy(update={"warnings": (*line.warnings, *_call_hooks(self._options, line))})
        try:
            self.ledger.append(line)
        except (nsynth.UserError, OSError) as error:
            raise NotWrittenDownError(line, explain(error)) from error
        write_index_if_possible(self._config)
        return line


@contextlib.contextmanager
def telling(config: Config) -> Iterator[None]:
    """Tell hooks and watcher of an error that no line of the ledger can tell, such as a damaged ledger.

    Raises:
      Exception: the error, all the same. That somebody else works in the workspace is none to be told.
    """
    started = lock.now()
    try:
        yield
    except lock.LockedError:
        raise
    except Exception as error:
        options = config.retrain
        Watcher(options.watcher, options.hook_timeout_s).ended(well=False)
        if not isinstance(error, NotWrittenDownError) or error.event != "failed":  # whose hooks know
            outcome, words = Outcome.FAILED, explain(error)
            _call_hooks(
                options, Round(number=0, outcome=outcome, words=words, started=started, ended=lock.now())
            )
        raise


def _call_hooks(options: RetrainOptions, line: Round) -> list[str]:
    """Call the hooks for how the round ended; return what went wrong."""
    event = line.outcome.event
    hooks = options.hooks.get(event, ()) if event else ()  # type: ignore[call-overload]
    failures = call_hooks(hooks, str(event), line.model_dump_json(), options.hook_timeout_s)
    for failure in failures:
        _log.warning("%s", failure)
    return failures


def _refused_span(result: Result, work: Work) -> Span:
    return next(span for span in work.window if span.number == result.refused)

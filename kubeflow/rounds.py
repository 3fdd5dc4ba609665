"""Rounds of retraining on a cluster, on the claim: the ledger, spans, hooks and locks of one machine.

The step Look decides what a run is to do, the step Report writes down what came of it. Imports no TensorFlow.
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pydantic

import atomic
import nsynth
from components.ingest import files
from components.registry import Registry
from components.storage import is_remote
from kubeflow.documents import last_sign_of_life, of_workspace
from pipeline.config import Config
from pipeline.history import ledger
from pipeline.history.ledger import Span
from pipeline.retrain import lock
from pipeline.retrain.child import Result
from pipeline.retrain.round import Retraining
from pipeline.retrain.spans import SIX_DIGITS, Arrivals, Work, choose, find_spans, look, look_at

FOUND_FILE = "found.json"
DEAD_AFTER_S = 3600.0
"""A run none of whose steps has given a sign of life for so long is taken for dead; steps give one each minute."""
_ANY_DIGITS = re.compile(r"span-([0-9]+)")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PATIENCE_S, _AGAIN_S = 60.0, 1.0


class Found(pydantic.BaseModel, frozen=True):
    """What Look found, for Report."""

    run: str
    started: datetime.datetime
    ending: Literal["work", "nothing", "failed", "locked"]
    words: str = ""
    work: Work = Work((), ())
    unheard: tuple[str, ...] = ()
    """Why the watcher does not know that the run has begun."""

    @classmethod
    def read(cls, folder: Path) -> "Found | None":
        """Read it from the documents of a run; None if Look did not get that far."""
        try:
            return cls.model_validate_json((folder / FOUND_FILE).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, folder: Path) -> None:
        """Write it among the documents of the run."""
        atomic.write(folder / FOUND_FILE, self.model_dump_json(indent=1))


class HoldingRun(pydantic.BaseModel, frozen=True):
    """The run that trains in the workspace. Its pods come and go, so no process can hold a lock for it."""

    run: str
    name: str
    started: datetime.datetime

    def __str__(self) -> str:
        return f"run {self.name} ({self.run}), since {self.started:%Y-%m-%d %H:%M:%S %Z}"


class ClusterRetraining(Retraining):
    """Rounds on a cluster, one for each run of the pipeline: a window of one span."""

    def __init__(self, config: Config, run: str, name: str, span: int | None = None):
        """Set up for a run.

        Args:
          config: with the folders of this run.
          run: Kubeflow's id.
          name: what people call it.
          span: train on this one, also if it was used before; None: the newest.
        """
        alone = {"spans": config.input_base, "window": 1, "holdout": None}
        retrain = config.retrain.model_copy(update=alone)
        self.config = config.model_copy(update={"retrain": retrain})
        super().__init__(self.config, names=names_of(config.kubeflow.pattern) or SIX_DIGITS)
        self.run, self.name, self._span = run, name, span
        self.documents = of_workspace(config.workspace) / run
        self._holder = self.folder / "cluster-run.json"

    def work(self, force: bool = False, left_out: Iterable[Span] = ()) -> Work:
        """Decide what this run is to do; a folder without spans counts as span 0.

        Raises:
          nsynth.UserError: no folder of spans, no such span, or a damaged ledger.
          OSError: the folder cannot be read.
        """
        rounds = self.ledger.rounds()
        settled, refused = ledger.settled(rounds), set() if force else ledger.refused(rounds)
        found = self._arrivals()
        if self._span is not None:
            settled = set()
            named = tuple(span for span in found.spans if span.number == self._span)
            if not named:
                waits = [str(waiting) for waiting in found.waiting if str(self._span) in waiting.name]
                raise nsynth.UserError(
                    "; ".join([f"span {self._span} is not in {self.config.input_base}", *waits])
                )
            found = Arrivals(named)
        return choose(found, settled, refused | set(left_out), 1)

    def nothing_to_do(self, work: Work, force: bool) -> Result | None:
        """Return how the run ends if it has nothing to do; None if it has."""
        nothing = super().nothing_to_do(work, force)
        if nothing and work.window and names_of(self.config.kubeflow.pattern) is None:
            words = (
                f"nothing in {self.config.input_base} has changed since it was used (--force trains again)"
            )
            return nothing.model_copy(update={"words": words})
        return nothing

    def _arrivals(self) -> Arrivals:
        data = self.config.input_base
        options = self.config.retrain
        if names := names_of(self.config.kubeflow.pattern):
            return find_spans(data, options.settle_s, names)
        if is_remote(data):
            found = look_at(data, 0, time.time(), options.settle_s)
        elif not Path(data).is_dir():
            raise nsynth.UserError(f"{data}: no such folder; the notes go there (data)")
        else:
            found = look(Path(data), 0, time.time(), options.settle_s)
        return Arrivals((found,)) if isinstance(found, Span) else Arrivals((), (found,))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the workspace's lock for the moment in which something is decided or written down.

        Raises:
          lock.LockedError: somebody else holds it for a minute.
        """
        deadline = time.monotonic() + _PATIENCE_S
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(lock.hold(self.lock_file, f"Kubeflow's {self.name}", is_round=False))
                    break
                except lock.LockedError:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(_AGAIN_S)
            yield

    def holding(self) -> HoldingRun | None:
        """Return the other run that trains in the workspace, or died while it did."""
        try:
            held = HoldingRun.model_validate_json(self._holder.read_bytes())
        except (FileNotFoundError, pydantic.ValidationError):  # none, or a file of another version
            return None
        return held if held.run != self.run else None

    def is_dead(self, held: HoldingRun) -> bool:
        """Return whether none of its steps has given a sign of life for long."""
        last = last_sign_of_life(of_workspace(self.config.workspace) / held.run)
        return time.time() - max(last, held.started.timestamp()) > DEAD_AFTER_S

    def take(self) -> None:
        """Let this run hold the workspace until `release`."""
        held = HoldingRun(run=self.run, name=self.name, started=lock.now())
        atomic.write(self._holder, held.model_dump_json())

    def release(self) -> None:
        """Let other runs train, if this one holds the workspace."""
        if self._holder.exists() and self.holding() is None:
            self._holder.unlink()


def names_of(pattern: str) -> re.Pattern[str] | None:
    """Return how the span folders that `kubeflow.pattern` reads are called; None if it reads no spans."""
    if "{SPAN" not in pattern:
        return None
    return SIX_DIGITS if "{SPAN:6}" in pattern else _ANY_DIGITS


def with_width(input_config: str, data: str, span: int) -> str:
    """ExampleGen's input_config with the digits of the folder's name: TFX looks for span-7 where it is told {SPAN}."""
    if "{SPAN}" not in input_config:
        return input_config
    names = (_ANY_DIGITS.fullmatch(name) for name in sorted(files.names(data)))
    digits = next((name[1] for name in names if name and int(name[1]) == span), str(span))
    return input_config.replace("{SPAN}", f"{{SPAN:{len(digits)}}}")


def digest_of_versions(models: str) -> str:
    """Return a text that changes with every push, for the steps that read the registry."""
    versions = Registry(models).versions()
    lines = [f"{v.number} {v.record.digest} {v.record.compared_with}" for v in versions]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def settings_of(config: Config) -> str:
    """Write the configuration as Look and Report are given it."""
    return json.dumps(config.model_dump(mode="json", exclude={"metadata_server", "corpus", "engine"}))


def read_arguments(argv: list[str]) -> tuple[Config, dict[str, Any], dict[str, Any]]:
    """Parse the command line of Look and Report: the configuration, the parameters, and where the outputs go."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--settings", required=True)
    parser.add_argument("--executor_input", required=True, type=json.loads)
    args = parser.parse_args(argv)
    given = args.executor_input["inputs"]["parameterValues"]
    return _config_of(args.settings, given["data"], given["models"]), given, args.executor_input["outputs"]


def _config_of(settings: str, data: str, models: str) -> Config:
    """Read it in the container, with the folders of this run; ${NAME} in hooks is from the environment."""
    content: dict[str, Any] = json.loads(settings)
    retrain = content["retrain"]
    retrain["hooks"] = {event: [_filled(hook) for hook in group] for event, group in retrain["hooks"].items()}
    retrain["watcher"] = {key: _filled(address) for key, address in retrain["watcher"].items()}
    config = Config.model_validate(content)
    push = config.push.model_copy(update={"destination": models})
    return config.model_copy(update={"data": data, "push": push})


def _filled(text: str | None) -> str | None:
    return text and _VARIABLE.sub(lambda name: os.environ.get(name[1], name[0]), text)

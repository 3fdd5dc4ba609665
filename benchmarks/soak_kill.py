"""Kill -9 in every component in turn: `python -m benchmarks.soak_kill`.

Runs a round on two spans undisturbed, then the same round in another workspace where every step (or, for short, each
of the long ones) is killed twice: in the middle of its work, and after it, before TFX has written it down. After each
kill the same command is run again, which goes on with the finished steps. In the end both have to have made the same
things, none of them twice.
"""

import logging
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from benchmarks import harness
from benchmarks.soak import Forked, configure, fork
from pipeline.config import Config
from pipeline.history.ledger import Ledger, Outcome, Round
from pipeline.retrain.round import Retraining
from pipeline.step_log import STARTED
from pipeline.step_names import of_span

LONG = ("Transform", "Trainer", "Pusher")
"""Steps that are killed if not all are: a Beam program, a training that resumes, and the push."""
SPANS = (1, 2)
_UNDISTURBED, _KILLED = "undisturbed", "killed"
_SUCCEEDED = re.compile(r"Execution \d+ succeeded\.")


class Killer(logging.Handler):
    """Kills its process once in each step and moment, as TFX's own messages tell them; the diary remembers."""

    def __init__(self, diary: Path, everywhere: bool):
        super().__init__(logging.INFO)
        self._diary, self._everywhere, self._step = diary, everywhere, ""
        self._done = diary.read_text().splitlines() if diary.exists() else []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message."""
        message = record.getMessage()
        if started := STARTED.match(message):
            self._step = started[1]
        elif not self._everywhere and self._step not in LONG:
            return
        elif message.startswith("Going to run a new execution:"):
            longest_s = 1.0 if self._step in LONG else 0.1
            self._kill_once("during", random.uniform(0.01, longest_s))
        elif _SUCCEEDED.match(message):
            self._kill_once("after", 0)

    def _kill_once(self, moment: str, after_s: float) -> None:
        name = f"{self._step} {moment}"
        if name in self._done:
            return
        self._done.append(name)
        with open(self._diary, "a") as diary:
            diary.write(name + "\n")
        if after_s:
            threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


class Rounds:
    """Runs rounds in forks of this process, which has TFX imported."""

    def __init__(self, config: Config, log: Path, diary: Path | None = None, everywhere: bool = False):
        self._config, self._log, self._diary, self._everywhere = config, log, diary, everywhere

    def run(self) -> Round:
        """One round."""
        return Retraining(self._config, self._start).retrain("soak_kill")

    def run_until_done(self) -> Round:
        """Run rounds until one is not killed."""
        while not (done := self.run()).outcome.settles:
            if "SIGKILL" not in done.words:
                raise RuntimeError(f"round {done.number} failed by itself: {done.words}")
        return done

    def _start(self, request_file: Path, alive: int, held: int) -> Forked:
        pid = fork(self._log)
        if pid == 0:
            try:
                os.dup2(alive, 0)
                if self._diary:
                    logging.getLogger("absl").addHandler(Killer(self._diary, self._everywhere))
                from pipeline.retrain import child_main

                child_main.main(request_file)
                os._exit(0)
            except BaseException:
                os._exit(1)
        return Forked(pid)


def configuration(folder: Path, which: str) -> Config:
    """Return the settings of one of the two workspaces below `folder`."""
    data = folder / "data"
    return configure(folder / which / "workspace", data / "spans", data / "holdout", ("recipe.epochs=2",))


def diary(folder: Path) -> list[str]:
    """Return what was killed: `<step> during` or `<step> after`, in order."""
    return (folder / _KILLED / "diary").read_text().splitlines()


def run(folder: Path, everywhere: bool) -> None:
    """Deliver two spans and run both rounds; `folder` has to be empty."""
    from benchmarks.soak_spans import Deliveries

    deliveries = Deliveries(folder / "data")
    for _ in SPANS:
        deliveries.deliver("ordinary")
    import pipeline.retrain.run  # noqa: F401  # once, for all processes forked from here

    for which in (_UNDISTURBED, _KILLED):
        (folder / which).mkdir()
        file = folder / which / "diary" if which == _KILLED else None
        done = Rounds(configuration(folder, which), folder / which / "log", file, everywhere).run_until_done()
        if done.outcome is not Outcome.PUSHED:
            raise RuntimeError(f"{which}: {done.outcome}: {done.words}")


def faults(folder: Path, everywhere: bool) -> Iterator[str]:
    """Yield what should not be so after `run`."""
    from pipeline.history import past_runs
    from pipeline.history.metadata import connect

    one, other = (configuration(folder, which) for which in (_UNDISTURBED, _KILLED))
    runs = [past_runs.load_run(connect(config.metadata)) for config in (one, other)]
    killed = diary(folder)
    wanted = set(runs[0].steps if everywhere else LONG)
    for moment in ("during", "after"):
        if missed := wanted - {line.split()[0] for line in killed if line.endswith(moment)}:
            yield f"never killed {moment} their work: {sorted(missed)}"
    for step in (*(of_span("ExampleGen", span) for span in SPANS), "HeldOut"):
        made = [_files(run.steps[step].outputs["examples"][0].path) for run in runs]
        if made[0] != made[1]:
            yield f"the examples of {step} differ"
    yield from _model_faults(one, other)
    yield from _count_faults(one, other)
    *before, last = [line.outcome for line in Ledger(Retraining(other).ledger.file).rounds()]
    if last is not Outcome.PUSHED or set(before) != {Outcome.FAILED}:
        yield f"the ledger tells {before} and {last}"
    if len(before) < len({line.split()[0] for line in killed}):
        yield f"{len(before)} rounds were written down as failed, {len(killed)} kills"


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _model_faults(one: Config, other: Config) -> Iterator[str]:
    """Yield a fault unless each has one version, and both give the same answers to the held-out notes."""
    from components.predictions import Predictions
    from components.registry import Registry
    from pipeline.history import past_runs
    from pipeline.history.metadata import connect

    predictions = []
    for config in (one, other):
        versions = list(Registry(config.models).versions())
        if len(versions) != 1:
            yield f"{len(versions)} versions in {config.models}"
        run = past_runs.load_run(connect(config.metadata), versions[-1].record.run)
        predictions.append(Predictions.load(run.steps["Predictor"].outputs["predictions"][0].uri))
    undisturbed, killed = predictions
    if list(undisturbed.note_str) != list(killed.note_str):
        yield "the models were judged on other notes"
    elif (apart := float(np.abs(undisturbed.candidate - killed.candidate).max())) > 1e-4:
        yield f"the models' answers differ by up to {apart:g}"


def _count_faults(one: Config, other: Config) -> Iterator[str]:
    """As many artifacts of each type and folders of each output, each span trained on once, the lock free.

    The Pusher is left out: killed after its push it finds the version there, and writes that down once more.
    """
    from pipeline.history import past_runs
    from pipeline.history.metadata import connect
    from pipeline.retrain import lock

    counts, folders = [], []
    for config in (one, other):
        store = connect(config.metadata)
        trained_on = past_runs.load_run(store).steps["Transform"].inputs["examples"]
        if sorted(examples.properties["span"] for examples in trained_on) != list(SPANS):
            yield f"trained on {[examples.properties['span'] for examples in trained_on]}"
        counts.append(Counter(a.type for a in store.get_artifacts() if a.type != "PushedModel"))
        made = (path.relative_to(config.artifacts).parent for path in config.artifacts.glob("*/*/[0-9]*"))
        folders.append(Counter(str(path) for path in made if not path.is_relative_to("Pusher")))
        if lock.is_held(Retraining(config).lock_file):
            yield "the lock is still held"
    if counts[0] != counts[1]:
        yield f"artifacts are counted otherwise: {counts[1] - counts[0]} more, {counts[0] - counts[1]} fewer"
    if folders[0] != folders[1]:
        yield f"folders: {folders[1] - folders[0]} more, {folders[0] - folders[1]} fewer"


@click.command()
@click.option(
    "--folder", default="workspace/soak-kill", show_default=True, type=Path, help="Is emptied first."
)
@click.option("--everywhere/--long", default=True, help="Every step, or the long ones only.")
def main(folder: Path, everywhere: bool) -> int:
    """Kill a round in every step in turn and compare the outcome with that of an undisturbed one."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    run(folder, everywhere)
    found, killed = list(faults(folder, everywhere)), diary(folder)
    for fault in found:
        click.echo(f"FAULT {fault}")
    minutes = (time.monotonic() - began) / 60
    steps = len({line.split()[0] for line in killed})
    told = {"kills": killed, "minutes": minutes, "faults": found}
    harness.save(folder / "result.json", told)
    click.echo(f"{len(killed)} kills in {steps} steps, {minutes:.1f} minutes, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))

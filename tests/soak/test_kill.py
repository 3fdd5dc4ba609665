"""Killed in every step in turn, the same round comes to the same end as if nothing had happened.

Each step is killed after its work and before TFX has written it down, the long ones in the middle of it too. The
next attempt goes on with the finished steps, so the whole costs little more than two undisturbed rounds.
"""

import logging
import os
import random
import re
import signal
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak import Forked, fork
from components.gate.predictions import Predictions
from components.registry import Registry
from pipeline import history
from pipeline.config import Config
from pipeline.metadata import connect
from pipeline.retrain import ledger, lock
from pipeline.retrain.ledger import Round
from pipeline.retrain.outcome import Outcome
from pipeline.retrain.round import Retraining

pytestmark = pytest.mark.e2e

LONG = ("ExampleGen-000002", "Transform", "Trainer", "Evaluator", "Pusher")
SPANS = (1, 2)


class Killer(logging.Handler):
    """Kills its process in a step that `diary` does not name yet, and names it there first."""

    def __init__(self, diary: Path):
        super().__init__(logging.INFO)
        self._diary, self._step = diary, ""
        self._done = diary.read_text().splitlines() if diary.exists() else []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if started := re.match(r"Component (\S+) is running\.", message):
            self._step = started[1]
        elif message.startswith("Going to run a new execution:") and self._step in LONG:
            self._kill_once("during", random.uniform(0.05, 1.0))
        elif re.match(r"Execution \d+ succeeded\.", message):
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

    def __init__(self, config: Config, log: Path, diary: Path | None = None):
        self.config, self._log, self._diary = config, log, diary

    def run(self) -> Round:
        return Retraining(self.config, self._start).retrain("test")

    def run_until_done(self) -> Round:
        while not (done := self.run()).outcome.settles:
            assert "SIGKILL" in done.words, done.words
        return done

    def _start(self, request_file: Path, alive: int, held: int) -> Forked:
        pid = fork(self._log)
        if pid == 0:
            try:
                os.dup2(alive, 0)
                if self._diary:
                    logging.getLogger("absl").addHandler(Killer(self._diary))
                from pipeline.retrain import worker

                worker.main(request_file)
                os._exit(0)
            except BaseException:
                os._exit(1)
        return Forked(pid)


@pytest.fixture(scope="module")
def undisturbed(small_month, tmp_path_factory) -> Config:
    import pipeline.retrain.run  # noqa: F401

    folder = tmp_path_factory.mktemp("undisturbed")
    config = small_month(folder)
    assert Rounds(config, folder / "log").run().outcome is Outcome.PUSHED
    return config


@pytest.fixture(scope="module")
def killed(small_month, undisturbed, tmp_path_factory) -> tuple[Config, list[str]]:
    folder = tmp_path_factory.mktemp("killed")
    config = small_month(folder)
    done = Rounds(config, folder / "log", folder / "diary").run_until_done()
    assert done.outcome is Outcome.PUSHED
    return config, (folder / "diary").read_text().splitlines()


def last_run(config: Config) -> history.Run:
    return history.load_run(connect(config.metadata))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_step_was_killed(undisturbed, killed):
    _, diary = killed
    steps = set(last_run(undisturbed).steps)
    assert {line.split()[0] for line in diary} == steps
    assert {line.split()[0] for line in diary if line.endswith("during")} == set(LONG)


@pytest.mark.parametrize("step", ["ExampleGen-000001", "ExampleGen-000002", "HeldOut"])
def test_examples_are_byte_for_byte_the_same(undisturbed, killed, step):
    one, other = (last_run(config).steps[step].output("examples") for config in (undisturbed, killed[0]))
    assert files(one.path) == files(other.path)


def test_the_same_model_is_pushed_once(undisturbed, killed):
    predictions = []
    for config in (undisturbed, killed[0]):
        [version] = Registry(config.models).versions()
        run = history.load_run(connect(config.metadata), version.record.run)
        predictions.append(Predictions.load(run.steps["Gate"].output("predictions").uri))
    one, other = predictions
    assert list(one.note_str) == list(other.note_str)
    np.testing.assert_allclose(one.candidate, other.candidate, atol=1e-4)


def test_nothing_is_counted_twice_and_nothing_is_left(undisturbed, killed):
    config = killed[0]
    counts = []
    for each in (undisturbed, config):
        transform = last_run(each).steps["Transform"]
        assert sorted(a.properties["span"] for a in transform.inputs["examples"]) == list(SPANS)
        live = connect(each.metadata).get_artifacts()
        counts.append(Counter(artifact.type for artifact in live if artifact.type != "PushedModel"))
    assert counts[0] == counts[1]
    folders = [
        sorted(str(path.relative_to(each.artifacts).parent) for path in each.artifacts.glob("*/*/[0-9]*"))
        for each in (undisturbed, config)
    ]
    assert [f for f in folders[1] if not f.startswith("Pusher")] == [
        f for f in folders[0] if not f.startswith("Pusher")
    ]
    assert not lock.is_held(Retraining(config).lock_file)


def test_the_ledger_tells_of_every_kill(killed):
    config, diary = killed
    rounds = ledger.Ledger(Retraining(config).ledger.file).rounds()
    assert [line.outcome for line in rounds] == [Outcome.FAILED] * (len(rounds) - 1) + [Outcome.PUSHED]
    assert len(rounds) - 1 >= len({line.split()[0] for line in diary})

"""Many nights on a cluster beside the same nights on one machine: as many trainings, and quiet nights cost little.

Look and Report are the real ones, the steps between them stand-ins. `make soak-kubeflow` runs thirty nights.
"""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from nights import Nights

from components.storage import disk_use
from pipeline.history.ledger import Outcome
from pipeline.retrain.child import Request, Result
from pipeline.retrain.round import Retraining

NIGHTS = int(os.environ.get("NSYNTH_NIGHTS", "10"))
KINDS = ("good", "good", "refused", "drifting", "broken", "good")
"""Of the spans, which arrive evenly over the nights."""


class Machine:
    """`nsynth retrain` on the same spans, with a stand-in for the child that runs the pipeline."""

    def __init__(self, nights: Nights, workspace: Path):
        retrain = nights.config.retrain.model_copy(update={"spans": str(nights.data), "window": 1})
        config = nights.config.model_copy(update={"workspace": workspace, "retrain": retrain})
        self.retraining, self.trainings, self.data = Retraining(config, self._start), 0, nights.data

    def _start(self, request_file: Path, alive: int, lock: int) -> Any:
        request = Request.model_validate_json(request_file.read_text())
        (span,) = request.window
        kind = (self.data / f"span-{span:06d}" / "kind.txt").read_text()
        results = {
            "refused": Result(ending="refused", words="2 families are missing", refused=span),
            "broken": Result(ending="failed", words="cannot be read"),
        }
        self.trainings += kind not in results
        result = results.get(kind) or Result(ending="pushed", words="blessed", version=100 + self.trainings)
        request.result_file.write_text(result.model_dump_json())
        return type("Ended", (), {"pid": 0, "poll": lambda self: 0})()

    def night(self) -> None:
        self.retraining.retrain("test", stop=threading.Event())


def bytes_of(nights: Nights) -> tuple[int, int, int]:
    """So far, into the object store and out of it; and what the claim holds."""
    return nights.cluster.up_bytes, nights.cluster.down_bytes, disk_use(nights.workspace)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nights_train_and_push_as_on_one_machine(
    tmp_path: Path, image: Path, lacking: set[str], capsys: pytest.CaptureFixture
) -> None:
    nights = Nights(tmp_path / "cluster", image, lacking)
    machine = Machine(nights, tmp_path / "machine")
    arrivals = {1 + number * NIGHTS // len(KINDS): kind for number, kind in enumerate(KINDS)}
    quiet: list[tuple[float, ...]] = []
    for night in range(1, NIGHTS + 1):
        if night in arrivals:
            nights.deliver(list(arrivals).index(night) + 1, arrivals[night])
        before = bytes_of(nights)
        done = nights.run()
        machine.night()
        assert done["Report"].state == "SUCCEEDED", done["Report"].log
        pods = {name: task for name, task in done.items() if task.attempts}
        if nights.rounds[-1].outcome is Outcome.NO_NEW_DATA:
            assert set(pods) == {"Look", "Report"}
            cpu_s = sum(task.cost["cpu_seconds"] for task in pods.values())
            moved = (after - was for after, was in zip(bytes_of(nights), before, strict=True))
            quiet.append((len(pods), cpu_s, *moved))
    on_machine = machine.retraining.ledger.rounds()
    told = [(line.outcome, line.window) for line in nights.rounds]
    assert told == [(line.outcome, line.window) for line in on_machine]
    versions = sum(line.outcome is Outcome.PUSHED for line in on_machine)
    assert (nights.trainings, len(nights.versions)) == (machine.trainings, versions)
    outcomes = [line.outcome for line in nights.rounds]
    assert (outcomes.count(Outcome.PUSHED), outcomes.count(Outcome.REFUSED)) == (4, 1)
    drifting = next(line for line in nights.rounds if line.window == (4,))
    assert drifting.warnings == ("pitch has drifted",)
    count, cpu_s, up, down, claim = (sum(column) / len(quiet) for column in zip(*quiet, strict=True))
    with capsys.disabled():
        print(
            f"\n{NIGHTS} nights, {len(KINDS)} new spans\n"
            f"on Kubeflow:    {nights.trainings} trainings, {len(nights.versions)} versions\n"
            f"on one machine: {machine.trainings} trainings, {versions} versions\n"
            f"{len(quiet)} quiet nights, on average: {count:g} pods beside the drivers', {cpu_s:.1f} CPU s, "
            f"{up:,.0f} bytes into the object store, {down:,.0f} bytes out of it, {claim:,.0f} bytes onto the claim"
        )

"""Housekeeping on a cluster's claim: by the same rules as on this machine, from the records of the steps."""

import datetime
import json
import os
import time
from pathlib import Path

import pytest

import nsynth
from components.claim import Claim, Listing, Output, Record, lift
from components.registry import Registry
from components.version import Record as VersionRecord
from pipeline.config import Config
from pipeline.history.ledger import Outcome, Round
from pipeline.retrain import gc, old_files
from pipeline.retrain.round import Retraining

DAY_S = 86_400
SALT = "0c9f8ad5-7d3e-4d0a-9b6e-1f6c9d2f0b11"


class Cluster:
    """Writes runs on the claim as steps do, the first one 100 days ago."""

    def __init__(self, config: Config):
        self.config, self.claim, self.days = config, Claim(config.workspace), 100

    def step(self, run: str, step: str, types: dict[str, str], inputs: tuple[str, ...] = ()) -> None:
        with self.claim.publish(run, step) as draft:
            for name in types:
                (draft / name).mkdir()
                (draft / name / "content").write_bytes(b"x" * 1000)
        places = {name: f"{run}/{step}/{name}" for name in types}
        outputs = [
            Output(place, types[name], Listing.of(self.claim.folder(place))) for name, place in places.items()
        ]
        then = time.time() - self.days * DAY_S
        self.claim.record(Record(run, step, inputs, tuple(outputs), then))
        self.age(run)

    def age(self, run: str) -> None:
        then = time.time() - self.days * DAY_S
        for path in self.claim.runs.joinpath(run).iterdir():
            os.utime(path, (then, then))

    def run(self, run: str, notes: str = "", pushed: bool = False) -> None:
        """A whole run; its notes may be those of an earlier one, taken from the cache."""
        self.days -= 1
        if not notes:
            self.step(run, "ExampleGen", {"examples": "Examples", "account": "File"})
        transform = {"transformed_examples": "Examples", "updated_analyzer_cache": "TransformCache"}
        self.step(run, "Transform", transform, (f"{notes or run}/ExampleGen/examples",))
        self.step(run, "Trainer", {"model": "Model"}, (f"{run}/Transform/transformed_examples",))
        if pushed:
            address = f"minio://mlpipeline/nsynth/nsynth/{run}/Trainer/{SALT}/model"
            Registry(self.config.models).publish(
                lambda folder: Path(folder, "saved_model.pb").write_bytes(run.encode()),
                VersionRecord(model_uri=address),
            )

    def clean(self, remove: bool = True) -> set[str]:
        """What goes, relative to the runs."""
        plan = gc.clean(self.config, "test", remove=remove)
        return {str(item.path.relative_to(self.claim.runs)) for item in plan.items}

    def left(self) -> set[str]:
        return {str(path.relative_to(self.claim.runs)) for path in self.claim.runs.glob("*/*/*")}


@pytest.fixture
def cluster(config: Config) -> Cluster:
    return Cluster(config)


def everything_of(run: str) -> set[str]:
    made = ("ExampleGen/examples", "ExampleGen/account", "Transform/transformed_examples",
            "Transform/updated_analyzer_cache", "Trainer/model")  # fmt: skip
    return {f"{run}/{output}" for output in made}


def test_old_runs_that_nothing_needs_go_after_a_dry_run(cluster: Cluster) -> None:
    for number in range(5):
        cluster.run(f"run-{number}")
    planned = everything_of("run-0") | everything_of("run-1")
    assert cluster.clean(remove=False) == planned
    assert planned <= cluster.left()
    assert cluster.clean() == planned
    assert cluster.left() == set().union(*(everything_of(f"run-{number}") for number in (2, 3, 4)))


def test_the_cache_is_lifted_once_for_what_went(cluster: Cluster) -> None:
    for number in range(5):
        cluster.run(f"run-{number}")
    before = lift(cluster.config.workspace)
    cluster.clean()
    after = lift(cluster.config.workspace)
    assert after != before
    cluster.clean()
    assert lift(cluster.config.workspace) == after


def test_what_the_champion_was_made_of_stays_and_of_the_version_before_all_but_the_notes(
    cluster: Cluster,
) -> None:
    cluster.run("other", pushed=True)
    cluster.run("champion", pushed=True)
    for number in range(3):
        cluster.run(f"run-{number}")
    notes = {"other/ExampleGen/examples", "other/Transform/transformed_examples"}
    caches = {f"{run}/Transform/updated_analyzer_cache" for run in ("other", "champion")}
    assert cluster.clean() == notes | caches
    assert {"other/Trainer/model", "other/ExampleGen/account"} <= cluster.left()
    assert everything_of("champion") - caches <= cluster.left()


def test_what_a_recent_run_took_from_the_cache_stays(cluster: Cluster) -> None:
    cluster.run("old")
    cluster.run("older")
    for number in range(3):
        cluster.run(f"run-{number}", notes="old")
    cluster.clean()
    assert "old/ExampleGen/examples" in cluster.left()
    assert not everything_of("older") & cluster.left()


def test_a_run_in_which_something_happened_today_stays(cluster: Cluster) -> None:
    cluster.days = 1
    cluster.run("running")
    assert cluster.days == 0
    for number in range(4):
        cluster.run(f"run-{number}")
    assert cluster.clean() == set()


def test_the_run_that_a_round_was_settled_by_stays(cluster: Cluster) -> None:
    for number in range(5):
        cluster.run(f"run-{number}")
    moment = datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC)
    line = Round(number=1, outcome=Outcome.KEPT, words="", started=moment, ended=moment, run="run-0")
    Retraining(cluster.config).ledger.append(line)
    assert cluster.clean() == everything_of("run-1")


def test_drafts_go_when_no_step_can_still_write_them(cluster: Cluster) -> None:
    cluster.run("run")
    for name, days in ((".Evaluator.draft-killed", 8), (".Trainer.draft-busy", 6)):
        (draft := cluster.claim.runs / "run" / name).mkdir()
        os.utime(draft, (time.time() - days * DAY_S,) * 2)
    assert cluster.clean() == {"run/.Evaluator.draft-killed"}


def test_a_run_in_which_a_step_still_works_stays(cluster: Cluster) -> None:
    for number in range(5):
        cluster.run(f"run-{number}")
    (draft := cluster.claim.runs / "run-0" / ".Trainer.draft-busy").mkdir()
    os.utime(draft, (time.time() - 6 * DAY_S,) * 2)
    assert cluster.clean() == everything_of("run-1")


def test_small_records_stay_as_long_as_their_run(cluster: Cluster) -> None:
    cluster.run("old")
    for number in range(3):
        cluster.run(f"run-{number}")
    for run in ("old", "run-0"):
        (cluster.claim.runs / run / "Gate").mkdir()
        cluster.age(run)
    assert cluster.clean() == everything_of("old") | {"old/Gate"}


def test_a_run_that_went_leaves_nothing_in_the_end(cluster: Cluster) -> None:
    for number in range(4):
        cluster.run(f"run-{number}")
    cluster.clean()
    cluster.age("run-0")
    assert cluster.clean() == {f"run-0/{step}.json" for step in ("ExampleGen", "Transform", "Trainer")}
    assert not (cluster.claim.runs / "run-0").exists()


def test_nothing_goes_if_a_record_is_damaged(cluster: Cluster) -> None:
    for number in range(4):
        cluster.run(f"run-{number}")
    (cluster.claim.runs / "run-3" / "Trainer.json").write_text("{")
    before = cluster.left()
    with pytest.raises(nsynth.UserError, match="is not a record of a step"):
        cluster.clean()
    assert cluster.left() == before


def document(cluster: Cluster, run: str, days: float, **inputs: str) -> Path:
    """Documents of a Trainer that ended so many days ago; inputs by key, each a place."""
    folder = cluster.claim.documents / run
    entries = {key: [{"address": f"minio://b/{place}", "metadata": {}}] for key, place in inputs.items()}
    told = {"step": "Trainer", "state": "succeeded", "started": 0.0, "inputs": entries, "outputs": {}}
    (folder / "Trainer").mkdir(parents=True)
    (folder / "Trainer" / "step.json").write_text(json.dumps(told))
    (folder / "alive").touch()
    then = time.time() - days * DAY_S
    os.utime(folder / "alive", (then, then))
    return folder


def of_documents(cluster: Cluster, remove: bool = False) -> set[str]:
    """Runs whose documents go."""
    folder = cluster.claim.documents
    items = gc.clean(cluster.config, "test", remove=remove).items
    return {item.path.name for item in items if item.path.parent == folder}


@pytest.fixture
def few(cluster: Cluster) -> Cluster:
    """Of which only the newest two runs and reports are kept."""
    cleanup = cluster.config.retrain.cleanup.model_copy(update={"keep_runs": 1, "keep_reports": 2})
    retrain = cluster.config.retrain.model_copy(update={"cleanup": cleanup})
    return Cluster(cluster.config.model_copy(update={"retrain": retrain}))


def test_documents_of_old_runs_go_and_those_of_running_ones_stay(few: Cluster) -> None:
    for number, days in enumerate((9, 8, 7, 0.5, 0.4, 0.3)):
        document(few, f"run-{number}", days)
    assert of_documents(few) == {"run-0", "run-1", "run-2"}
    assert of_documents(few, remove=True) == {"run-0", "run-1", "run-2"}
    assert {path.name for path in few.claim.documents.iterdir()} == {"run-3", "run-4", "run-5"}


def test_documents_behind_a_version_stay_also_of_runs_that_the_cache_took_up(few: Cluster) -> None:
    document(few, "notes", 30)
    document(few, "unrelated", 29)
    document(few, "pushed", 28, examples="notes/Trainer/examples")
    for number in range(3):
        document(few, f"run-{number}", 9 - number)
    Registry(few.config.models).publish(
        lambda folder: Path(folder, "saved_model.pb").write_bytes(b"model"),
        VersionRecord(model_uri=f"minio://b/pushed/Trainer/{SALT}/model", run="pushed"),
    )
    assert of_documents(few) == {"unrelated", "run-0"}


def test_a_version_whose_record_is_damaged_keeps_all_documents(few: Cluster) -> None:
    for number in range(4):
        document(few, f"run-{number}", 9)
    version = Registry(few.config.models).publish(
        lambda folder: Path(folder, "saved_model.pb").write_bytes(b"model"), VersionRecord()
    )
    Path(version.path, "assets.extra", "nsynth.json").write_text("{")
    assert list(old_files.old_documents(few.config)) == []


def test_what_a_killed_clean_up_left_of_documents_goes(few: Cluster) -> None:
    (few.claim.documents / ".trash-run-0-17").mkdir(parents=True)
    assert of_documents(few, remove=True) == {".trash-run-0-17"}
    assert not list(few.claim.documents.iterdir())

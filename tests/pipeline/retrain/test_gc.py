"""Housekeeping: what a pushed model, a recent run or the window needs stays; the rest goes, after a dry run."""

import datetime
import os
import time
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.registry import Registry
from components.version import Record
from pipeline.history.ledger import Outcome, Round
from pipeline.history.metadata import connect
from pipeline.retrain import gc, lock
from pipeline.retrain.round import Retraining
from pipeline.retrain.status import disk_use


class History:
    """Writes runs into a metadata store as TFX would, with a file for each artifact."""

    def __init__(self, config):
        self.config, self.store = config, connect(config.metadata)
        self._execution = self.store.put_execution_type(mlmd.ExecutionType(name="step"))
        self._run = self.store.put_context_type(mlmd.ContextType(name="pipeline_run"))

    def artifact(self, step: str, key: str, number: int) -> mlmd.Artifact:
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=key))
        folder = self.config.artifacts / step / key / str(number)
        folder.mkdir(parents=True)
        (folder / "content").write_bytes(b"x" * 1000)
        artifact = mlmd.Artifact(type_id=type_id, uri=str(folder), state=mlmd.Artifact.LIVE)
        [artifact.id] = self.store.put_artifacts([artifact])
        return artifact

    def step(self, run: str, made=(), used=(), state=mlmd.Execution.COMPLETE) -> int:
        [context] = (
            self.store.put_contexts([mlmd.Context(type_id=self._run, name=run)])
            if not (found := self.store.get_context_by_type_and_name("pipeline_run", run))
            else [found.id]
        )
        execution = mlmd.Execution(type_id=self._execution, last_known_state=state)
        [execution.id] = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [mlmd.Association(execution_id=execution.id, context_id=context)]
        )
        events = [(mlmd.Event.OUTPUT, a) for a in made] + [(mlmd.Event.INPUT, a) for a in used]
        self.store.put_events(
            mlmd.Event(type=kind, artifact_id=a.id, execution_id=execution.id) for kind, a in events
        )
        return execution.id

    def whole_run(
        self, run: str, number: int, span: int, model_pushed: bool = False
    ) -> dict[str, mlmd.Artifact]:
        """Examples of a span, with their account → transformed → model; pushes the model if asked to."""
        examples = self.artifact(f"ExampleGen-{span:06d}", "Examples", number)
        account = self.artifact(f"ExampleGen-{span:06d}", "Quarantine", number)
        transformed = self.artifact("Transform", "Examples", number)
        model = self.artifact("Trainer", "Model", number)
        self.step(run, made=[examples, account])
        self.step(run, made=[transformed], used=[examples])
        self.step(run, made=[model], used=[transformed])
        if model_pushed:
            Registry(self.config.models).publish(
                lambda folder: Path(folder, "saved_model.pb").write_bytes(b"m"), Record(model_uri=model.uri)
            )
        return {"examples": examples, "account": account, "transformed": transformed, "model": model}


@pytest.fixture
def past(config, deliver) -> tuple[History, dict[str, dict[str, mlmd.Artifact]]]:
    """Four runs; the model of the first was pushed. Only the newest is to be kept whole, the window is span 3."""
    cleanup = config.retrain.cleanup.model_copy(update={"keep_runs": 1})
    retrain = config.retrain.model_copy(update={"cleanup": cleanup, "window": 1})
    config = config.model_copy(update={"retrain": retrain})
    deliver(3)
    history = History(config)
    return history, {
        "pushed": history.whole_run("2025-01-01", 101, span=1, model_pushed=True),
        "old": history.whole_run("2025-01-02", 102, span=2),
        "window": history.whole_run("2025-01-03", 103, span=3),
        "newest": history.whole_run("2025-01-04", 104, span=4),
    }


def uris(plan: gc.Plan) -> set[str]:
    return {str(item.path) for item in plan.items}


def test_only_what_nobody_needs_is_planned(past):
    history, runs = past
    plan = gc.clean(history.config, "test", remove=False)
    window = runs["window"]
    assert uris(plan) == {a.uri for a in (*runs["old"].values(), window["transformed"], window["model"])}
    assert plan.size_bytes == 6 * 1000
    assert all(Path(path).exists() for path in uris(plan))


def test_what_is_planned_goes_and_the_cache_will_not_offer_it(past):
    history, runs = past
    plan = gc.clean(history.config, "test", remove=True)
    assert not any(Path(path).exists() for path in uris(plan))
    of_window = [runs["window"][key] for key in ("examples", "account")]
    kept = [*runs["pushed"].values(), *runs["newest"].values(), *of_window]
    assert all(Path(artifact.uri, "content").exists() for artifact in kept)
    states = {artifact.id: artifact.state for artifact in history.store.get_artifacts()}
    assert {states[artifact.id] for artifact in runs["old"].values()} == {mlmd.Artifact.DELETED}
    assert {states[artifact.id] for artifact in kept} == {mlmd.Artifact.LIVE}
    assert gc.clean(history.config, "test", remove=True).items == ()


def test_of_a_version_that_no_longer_serves_all_stays_but_the_notes(past):
    history, runs = past
    history.whole_run("2025-01-05", 105, span=5, model_pushed=True)
    gone = uris(gc.clean(history.config, "test", remove=True))
    earlier = runs["pushed"]
    assert {earlier["examples"].uri, earlier["transformed"].uri} <= gone
    assert not {earlier["account"].uri, earlier["model"].uri} & gone


def test_after_a_way_back_it_is_the_other_version_whose_notes_go(past):
    history, runs = past
    newer = history.whole_run("2025-01-05", 105, span=5, model_pushed=True)
    history.whole_run("2025-01-06", 106, span=6)
    registry = Registry(history.config.models)
    registry.rollback()
    assert registry.serving().record.model_uri == runs["pushed"]["model"].uri
    gone = uris(gc.clean(history.config, "test", remove=True))
    assert {newer["examples"].uri, newer["transformed"].uri} <= gone
    assert not {artifact.uri for artifact in runs["pushed"].values()} & gone


def test_the_run_whose_spectrograms_the_next_round_takes_over_stays(past):
    history, runs = past
    moment = datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC)
    line = Round(number=1, outcome=Outcome.KEPT, words="", started=moment, ended=moment, run="2025-01-02")
    Retraining(history.config).ledger.append(line)
    assert not uris(gc.clean(history.config, "test", remove=False)) & {a.uri for a in runs["old"].values()}


def test_what_a_crash_of_the_cleaning_left_goes_the_next_time(past):
    history, _ = past
    left = history.config.artifacts / "Trainer" / "Model" / ".trash-7-123"
    orphan = history.config.artifacts / "Trainer" / "Model" / "99"
    for folder in (left, orphan):
        folder.mkdir()
    plan = gc.clean(history.config, "test", remove=True)
    assert {str(left), str(orphan)} <= uris(plan)
    assert not left.exists()
    assert not orphan.exists()


def test_caches_go_though_a_pushed_model_came_from_them(past):
    history, _ = past
    earlier = history.artifact("Transform", "TransformCache", 80)
    own, transformed = (history.artifact("Transform", key, 81) for key in ("TransformCache", "transformed"))
    model = history.artifact("Trainer", "model", 81)
    history.step("2025-01-05", made=[own, transformed], used=[earlier])
    history.step("2025-01-05", made=[model], used=[transformed, own])
    history.step("2025-01-06")
    Registry(history.config.models).publish(
        lambda folder: Path(folder, "saved_model.pb").write_bytes(b"n"), Record(model_uri=model.uri)
    )
    gone = uris(gc.clean(history.config, "test", remove=True))
    assert {earlier.uri, own.uri} <= gone
    assert not {transformed.uri, model.uri} & gone


def test_a_folder_that_two_artifacts_name_stays_if_one_of_them_is_needed(past):
    history, runs = past
    old = runs["old"]["transformed"]
    imported = mlmd.Artifact(type_id=old.type_id, uri=old.uri, state=mlmd.Artifact.LIVE)
    [imported.id] = history.store.put_artifacts([imported])
    history.step("2025-01-04", made=[imported])
    assert old.uri not in uris(gc.clean(history.config, "test", remove=True))


def test_an_output_of_several_artifacts_and_an_empty_one_stay(past):
    history, _ = past
    spans = [history.artifact("Transform/transformed_examples", "105", number) for number in (0, 1)]
    empty = history.artifact("Champion", "model", 105)
    Path(empty.uri, "content").unlink()
    history.step("2025-01-05", made=[*spans, empty])
    gc.clean(history.config, "test", remove=True)
    assert all(Path(artifact.uri, "content").exists() for artifact in spans)
    assert Path(empty.uri).exists()


def test_old_logs_go_and_new_ones_stay(past):
    history, _ = past
    logs = history.config.workspace / "logs"
    logs.mkdir()
    for name, age_days in (("old.log", 31), ("new.log", 29)):
        (logs / name).write_text("x")
        os.utime(logs / name, (time.time() - age_days * 86_400,) * 2)
    gc.clean(history.config, "test", remove=True)
    assert [path.name for path in logs.iterdir()] == ["new.log"]


def test_the_newest_reports_stay(past):
    history, _ = past
    reports = history.config.workspace / "reports"
    reports.mkdir()
    for day in range(1, 33):
        (reports / f"2026-01-{day:02}T100000.html").write_text("x")
    gc.clean(history.config, "test", remove=True)
    assert sorted(path.name[8:10] for path in reports.iterdir()) == [f"{day:02}" for day in range(3, 33)]


def test_while_a_round_runs_nothing_is_touched(past):
    history, _ = past
    with lock.hold(Retraining(history.config).lock_file, "a round"), pytest.raises(lock.LockedError):
        gc.clean(history.config, "test", remove=True)


def test_killed_steps_are_swept_and_finished_ones_are_not(past):
    history, runs = past
    number = history.step("2025-01-05", state=mlmd.Execution.RUNNING)
    half = history.config.artifacts / "Trainer" / "Model" / str(number)
    half.mkdir()
    assert gc.sweep(history.config, history.store) == [half.absolute()]
    assert not half.exists()
    assert Path(runs["newest"]["model"].uri).exists()
    [execution] = history.store.get_executions_by_id([number])
    assert execution.last_known_state == mlmd.Execution.FAILED


def test_without_any_run_there_is_nothing_to_do(config):
    assert gc.clean(config, "test", remove=True).items == ()


def test_a_file_with_two_names_counts_once(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1000)
    os.link(tmp_path / "file", tmp_path / "other")
    assert disk_use(tmp_path) == 1000


def test_a_killed_round_is_still_told_by_the_next_one_after_a_cleaning(past, stand_in):
    config = past[0].config
    retraining = Retraining(config, stand_in.will({"ending": "kept", "words": ""}).start)
    retraining.folder.mkdir()
    retraining.lock_file.write_text(lock.Holder.me("nsynth schedule").model_dump_json())
    gc.clean(config, "nsynth gc", remove=True)
    retraining.retrain("me")
    assert [line.outcome for line in retraining.ledger.rounds()] == [Outcome.CRASHED, Outcome.KEPT]

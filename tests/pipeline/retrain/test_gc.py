"""Housekeeping: what a pushed model, a recent run or the window needs stays; the rest goes, after a dry run."""

import datetime
import os
import time
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from components.registry import Registry
from components.storage import disk_use
from components.version import RECORD_FILE, Record
from pipeline.history.ledger import Outcome, Round
from pipeline.retrain import gc, lock
from pipeline.retrain.round import Retraining


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


def test_of_a_version_that_no_longer_serves_what_it_answered_stays(past):
    """It is small, and the page of that run shows the mistakes from it."""
    history, _ = past
    model = history.artifact("Trainer", "model", 82)
    examples = history.artifact("ExampleGen-000008", "Examples", 82)
    answered = history.artifact("Predictor", "Examples", 82)
    report = history.artifact("Gate", "report", 82)
    history.step("2025-01-05", made=[answered], used=[examples])
    history.step("2025-01-05", made=[model, report], used=[answered])
    history.step("2025-01-06")
    registry = Registry(history.config.models)
    for uri in (model.uri, "a later one"):
        registry.publish(
            lambda folder: Path(folder, "saved_model.pb").write_bytes(b"n"), Record(model_uri=uri)
        )
    gone = uris(gc.clean(history.config, "test", remove=True))
    assert examples.uri in gone
    assert not {answered.uri, model.uri} & gone


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


def test_where_the_record_of_a_version_is_damaged_nothing_goes(past):
    """Else what the champion was made of would be taken for needless."""
    history, runs = past
    Path(Registry(history.config.models).serving().path, RECORD_FILE).write_text("{")
    with pytest.raises(nsynth.UserError, match=r"The origin of version .* is unknown"):
        gc.clean(history.config, "test", remove=True)
    assert all(Path(artifact.uri, "content").exists() for run in runs.values() for artifact in run.values())


def test_the_run_whose_spectrograms_the_next_round_takes_over_stays(past):
    history, runs = past
    moment = datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC)
    line = Round(number=1, outcome=Outcome.KEPT, words="", started=moment, ended=moment, run="2025-01-02")
    Retraining(history.config).ledger.append(line)
    assert not uris(gc.clean(history.config, "test", remove=False)) & {a.uri for a in runs["old"].values()}


def test_what_a_crash_of_the_cleaning_left_goes_the_next_time(past):
    history, _ = past
    number = history.step("2025-01-04", node="Trainer")
    left = history.config.artifacts / "Trainer" / "Model" / f".trash-{number}-123"
    orphan = history.config.artifacts / "Trainer" / "Model" / str(number)
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


def test_what_was_kept_for_a_full_disk_is_free_while_it_is_noted_what_goes(past, monkeypatch):
    history, _ = past
    Retraining(history.config).ledger.reserve()
    reserve = history.config.workspace / "retrain" / "reserve"
    assert reserve.exists()
    there = []
    carry_out = gc.carry_out
    monkeypatch.setattr(gc, "carry_out", lambda *what: (there.append(reserve.exists()), carry_out(*what)))
    gc.clean(history.config, "test", remove=True)
    assert there == [False]
    assert reserve.exists(), "kept again"


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
    number = history.step("2025-01-05", state=mlmd.Execution.RUNNING, node="Trainer")
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

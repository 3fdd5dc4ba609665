"""What single sections choose and compute."""

import datetime
import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import nsynth
from components.registry import Registry
from pipeline.history import past_runs
from pipeline.history.endings import record_ending
from pipeline.ranges import in_short
from pipeline.report import notes
from pipeline.report.facts import facts_of, facts_path
from pipeline.report.html import duration
from pipeline.report.record import Absent, RunRecord
from pipeline.report.sections import (
    changes,
    confusion,
    data,
    gallery,
    lineage,
    mistakes,
    runs,
    slices,
    steps,
    training,
)
from tests.components.conftest import make_notes
from tests.pipeline.report.past_run import CLASSES, Told, write_run
from tests.pipeline.report.workspace import Workspace


def test_notes_are_found_in_large_files_and_read_exactly(record):
    wanted = {
        f"{n.instrument}-{n.pitch:03}-{n.velocity:03}": n
        for n in make_notes(range(CLASSES), range(2), (40, 60))
    }
    assert set(record.places) == set(wanted)
    place = record.places["reed_electronic_001-060-075"]
    assert place.family == "reed"
    assert place.attributes == {"source": "electronic", "pitch": 60, "velocity": 75}
    assert place.detail == "electronic, C4 (60), velocity 75"
    np.testing.assert_array_equal(notes.read_audio(place), wanted[place.note_str].audio)


def test_the_sound_on_the_page_is_the_note():
    audio = np.random.default_rng(0).uniform(-1, 1, nsynth.NOTE_SAMPLES).astype(np.float32)
    kind, _, content = notes.flac_uri(audio).partition(",")
    assert kind == "data:audio/flac;base64"
    import base64

    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")
    assert rate == nsynth.SAMPLE_RATE_HZ
    np.testing.assert_allclose(heard, audio, atol=2 / 2**15)


def test_the_gallery_takes_the_most_ordinary_note_of_each_family(record):
    chosen = gallery.typical(notes.catalogue(record.sample()))
    assert sorted(chosen) == sorted(nsynth.FAMILIES)
    assert {place.attributes["pitch"] for place in chosen.values()} == {60}


def test_the_gallery_reads_the_sample_and_not_all_of_the_notes(tmp_path):
    workspace = Workspace(tmp_path)
    write_run(workspace)
    shutil.rmtree(workspace.folder("ExampleGen", "examples"))
    cards = gallery.build(RunRecord(past_runs.load_run(workspace.store), workspace.config))["cards"]
    assert [card["family"].replace(" ", "_") for card in cards] == list(nsynth.FAMILIES)
    assert all(card["answer"] for card in cards)


def test_a_run_of_older_code_put_no_sample_aside(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.step("ExampleGen", {}, {})
    with pytest.raises(Absent, match=r"^ExampleGen wrote no sample\.$"):
        gallery.build(RunRecord(past_runs.load_run(workspace.store), workspace.config))


def test_the_most_confident_errors_are_of_different_instruments():
    answers = np.full((6, CLASSES), 0.0)
    answers[range(6), [1, 1, 1, 1, 0, 1]] = [0.9, 0.8, 0.7, 0.6, 0.99, 0.5]
    predictions = {
        "candidate": answers,
        "family": np.array([0, 0, 0, 0, 0, 1]),  # the fifth and the last are right
        "instrument_str": np.array(["a", "a", "b", "c", "a", "d"]),
    }
    assert mistakes.most_wrong(SimpleNamespace(**predictions), 3).tolist() == [0, 2, 3]
    assert mistakes.most_wrong(SimpleNamespace(**predictions), 4).tolist() == [0, 1, 2, 3]


def test_a_model_without_mistakes(record, monkeypatch):
    families = np.arange(CLASSES)
    right = SimpleNamespace(
        note_str=families.astype(str),
        instrument_str=families.astype(str),
        family=families,
        candidate=np.eye(CLASSES),
    )
    monkeypatch.setattr(RunRecord, "predictions", lambda _: right)
    with pytest.raises(Absent, match="No note was misclassified"):
        mistakes.build(record)


def test_confusions_the_commonest_first():
    counts = np.zeros((CLASSES, CLASSES), int)
    counts[0, 0], counts[0, 7], counts[1, 2] = 6, 2, 5
    first, second = confusion.pairs(counts.tolist())
    assert (first["true"], first["predicted"], first["notes"], first["share"]) == ("brass", "flute", 5, 1.0)
    assert (second["true"], second["predicted"], second["share"]) == ("bass", "reed", 0.25)


def test_slices_have_a_row_for_each_model(record):
    parts = record.gate_report().slices
    rows = slices.rows("family", parts, 17)
    bass = [(row["model"], row["value"]) for row in rows if row["slice"] == "bass, n = 4"]
    assert bass == [("candidate", 0.0), ("version 17", 1.0)]
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert [row["slice"] for row in rows if "_" in row["slice"]] == []


def test_histograms_are_shares_of_the_notes(record):
    folder = record.locate(record.artifact("StatisticsGen", "statistics"))
    bars = data.densities(folder / "Split-train" / "FeatureStats.pb")
    assert bars == {
        nsynth.PITCH: [{"low": 40, "high": 60, "share": 0.25}, {"low": 60, "high": 80, "share": 0.75}]
    }


def test_one_folder_of_data_is_no_span(record):
    assert data.spans(record) == []


def test_drift_is_shown_against_the_span_that_it_was_measured_against(record):
    before = data.accepted_before(record)
    assert before is not None
    assert before.span == 2


def test_lines_of_the_lineage_never_share_a_lane_where_they_run_side_by_side(record):
    built = lineage.build(record)
    names = [row.name for row in built["rows"]]
    assert names == ["source files", "ExampleGen", "StatisticsGen", "DataGate", "Transform", "Trainer",
                     "Predictor", "Gate", "Canary", "Pusher"]  # fmt: skip
    lines = [item["line"] for item in built["lines"]]
    reached = {(names[line.start], names[stop]) for line in lines for stop in line.stops}
    assert {("source files", "ExampleGen"), ("ExampleGen", "Predictor"), ("Trainer", "Pusher")} <= reached
    for one in lines:
        for other in lines:
            if one is not other and one.lane == other.lane:
                assert one.stops[-1] < other.start or other.stops[-1] < one.start


@pytest.mark.parametrize(
    ("numbers", "words"), [([3], "3"), ([3, 4], "3–4"), ([3, 4, 5, 8, 10, 11], "3–5, 8, 10–11")]
)
def test_ids_in_short(numbers, words):
    assert in_short(numbers) == words


def test_steps_with_time_and_memory(record):
    rows = {row["step"]: row for row in steps.table(record)}
    assert rows["Trainer"]["memory_mb"] == 1500
    assert rows["Canary"]["memory_mb"] is None
    assert all(row["end"] >= row["start"] >= 0 for row in rows.values())


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (7_260, "2 h 1 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_the_gate_on_the_newest_span_is_told_too(tmp_path):
    """In a retraining round a second gate judges on the newest span, and both have to bless."""
    workspace = Workspace(tmp_path / "workspace")
    for name, blessed, verdict in (
        ("Gate", True, "blessed: well"),
        ("GateNewest", False, "not blessed: worse"),
    ):
        folder = workspace.folder(name, "report")
        report = {"blessed": blessed, "verdict": verdict, "overall": {}, "checks": []}
        report |= {"confidence": 0.95, "notes": 1, "instruments": 1}
        (folder / "gate.json").write_text(json.dumps(report))
        workspace.step(name, {}, {"report": [workspace.artifact("ModelEvaluation", folder)]})
    workspace.step("Pusher", {}, {})
    from pipeline.report.outcome import outcome_of

    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    outcome = outcome_of(record)
    assert outcome.kind == "not pushed"
    assert outcome.words == "Blessed on the held-out notes, but on the newest span not blessed: worse."


def test_of_many_spans_the_newest_speaks_for_the_data(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    for name in ("ExampleGen-000001", "ExampleGen-000003", "ExampleGen-000002", "DataGate-000003"):
        workspace.step(name, {}, {})
    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    assert [step.name[-1] for step in record.steps("ExampleGen")] == ["3", "2", "1"]
    assert record.finished("DataGate").name == "DataGate-000003"
    assert data.spans(record) == [3, 2, 1]
    with pytest.raises(Absent, match="no step Trainer"):
        record.finished("Trainer")


def test_what_the_trainers_time_went_into():
    epochs = [{"seconds": s, "dev_seconds": 1.0} for s in (11.0, 3.0, 3.0)]
    step = past_runs.Step("Trainer", "COMPLETE", 20.0, 1)
    parts = dict(training.time_spent(epochs, step))
    assert [round(seconds, 6) for seconds in parts.values()] == [8.0, 6.0, 3.0, 3.0]
    assert sum(parts.values()) == pytest.approx(20.0)
    cached = training.time_spent(epochs, past_runs.Step("Trainer", "CACHED", 0.1, 1))
    assert "Start-up, reading the notes, export" not in dict(cached)
    [(words, seconds)] = training.time_spent([{"seconds": 2.0}], past_runs.Step("Trainer", "CACHED", 0, 1))
    assert (words, seconds) == ("Training on train, evaluation on dev", 2.0), "a record of an earlier version"


def test_trials_of_the_tuner_the_best_first(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    assert training.trials(record) == []
    folder = workspace.folder("Tuner", "tuner_results")
    found = [{"trial_id": "0", "score": 2.5, "mixup": 0.1}, {"trial_id": "1", "score": 2.0, "mixup": 0.3}]
    (folder / "tuner_results.json").write_text(json.dumps(found))
    workspace.step("Tuner", {}, {"tuner_results": [workspace.artifact("TunerResults", folder)]})
    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    rows = training.trials(record)
    assert rows == [
        {"trial": "1", "dev loss": 2.0, "mixup": 0.3},
        {"trial": "0", "dev loss": 2.5, "mixup": 0.1},
    ]


def test_settings_that_differ_have_dotted_names_and_both_values():
    before = {"name": "a", "recipe": {"epochs": 2, "augment": {"mixup": 0.1}}, "data": None}
    now = {"name": "a", "recipe": {"epochs": 3, "augment": {"mixup": 0.1, "gain": 1}}, "data": None}
    assert changes.differences(before, now) == [
        {"setting": "recipe.epochs", "champion": "2", "this run": "3"},
        {"setting": "recipe.augment.gain", "champion": "null", "this run": "1"},
    ]


def test_the_champions_run_is_compared_with(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    earlier, later = "2026-02-01T10:00:00.000000", "2026-03-01T10:00:00.000000"
    settings = workspace.config.model_copy(update={"data": "/before"})
    with record_ending(workspace.config.metadata, settings.without_secrets()):
        write_run(workspace, run=earlier)
    [version] = Registry(workspace.config.models).versions()
    with record_ending(workspace.config.metadata, workspace.config.without_secrets()):
        write_run(workspace, Told(champion=True, pushed=False), run=later)
    record = RunRecord(past_runs.load_run(workspace.store, later), workspace.config)
    with pytest.raises(Absent, match="is not in this workspace's history"):
        changes.build(record)  # version 17 is not there
    report = record.gate_report()
    champion = report.champion.model_copy(update={"version": version.number})
    report.model_copy(update={"champion": champion}).write(workspace.folder("Gate", "report"))
    assert changes.build(record)["rows"] == [{"setting": "data", "champion": '"/before"', "this run": "null"}]


def test_accuracy_across_runs_ends_with_this_one(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    with pytest.raises(Absent, match="first run"):
        runs.build(record)
    own = facts_of(record)
    for days, name in ((-1, "before"), (1, "after")):
        other = own.model_copy(update={"run": name, "started": own.started + datetime.timedelta(days=days)})
        path = facts_path(workspace.config.workspace / "reports", name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(other.model_dump_json())
    built = runs.build(record)
    assert [row["outcome"] for row in built["rows"]] == ["pushed", "this run"]
    assert "Accuracy of the last 2 runs" in built["drawing"]

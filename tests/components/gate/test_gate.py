"""The gate on models that were really trained: who passes, who does not, and what it says."""

import json
from pathlib import Path

import numpy as np
import pytest

import nsynth
from components.gate.checks import judge
from components.gate.executor import GateExecutor
from components.gate.options import GateOptions
from components.predictions import Predictions, slices
from components.version import model_digest
from tests.components.conftest import CLASSES, fit, save_model

pytestmark = pytest.mark.slow

LOOSE = {"min_notes": 10, "min_accuracy": 0.5}


@pytest.fixture
def gate(new_artifact, valid_examples, predictor):
    """Runs the executor; returns the report and the blessing."""

    def run(candidate: Path, champion: Path | None = None, examples=valid_examples, **options):
        predictions = predictor(candidate, champion, examples)
        outputs = {
            "blessing": [new_artifact("ModelBlessing", "blessing")],
            "report": [new_artifact("ModelEvaluation", "report")],
        }
        properties = {"options": json.dumps(LOOSE | options), "split": "valid", "code": ""}
        GateExecutor().Do({"predictions": [predictions]}, outputs, properties)
        report = json.loads(Path(outputs["report"][0].uri, "gate.json").read_text())
        report["text"] = Path(outputs["report"][0].uri, "gate.md").read_text()
        report["predictions"] = Predictions.load(predictions.uri)
        return report, outputs["blessing"][0]

    return run


def failed(report) -> set[str]:
    return {check["name"] for check in report["checks"] if not check["passed"]}


def test_a_good_first_model_is_blessed_by_the_absolute_thresholds_alone(gate, good_model, valid_notes):
    report, blessing = gate(good_model)
    assert report["blessed"]
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_string_custom_property("current_model") == str(good_model)
    assert Path(blessing.uri, "BLESSED").exists()
    assert report["verdict"].startswith("blessed: accuracy 100.0%")
    assert "There is no champion yet" in report["text"]
    assert (report["notes"], report["instruments"]) == (len(valid_notes), 4 * CLASSES)
    assert report["champion"]["version"] == 0
    assert report["candidate"]["digest"] == model_digest(str(good_model / "Format-Serving"))
    assert report["champion"].keys() == {"uri", "version", "digest"}
    assert report["champion"]["digest"] == ""
    assert not report["predictions"].has_champion


def test_a_model_trained_on_shuffled_labels_is_not_blessed(gate, shuffled_model):
    report, blessing = gate(shuffled_model)
    assert blessing.get_int_custom_property("blessed") == 0
    assert Path(blessing.uri, "NOT_BLESSED").exists()
    assert {"accuracy", "macro recall"} <= failed(report)
    assert report["verdict"].startswith("not blessed: accuracy:")
    assert "## What to do" in report["text"]


def test_better_overall_but_one_family_ruined_is_not_blessed(gate, tmp_path, train_notes):
    """The candidate never heard a flute; the champion knows flutes, but mixes the last five families up."""
    flute = nsynth.FAMILIES.index("flute")
    candidate, champion = tmp_path / "no_flute", tmp_path / "mixed_up"
    save_model(candidate / "Format-Serving", *fit([note for note in train_notes if note.family != flute]))
    labels = np.array([note.family for note in train_notes])
    labels[labels > 5] = np.random.default_rng(0).permutation(labels[labels > 5])
    save_model(champion / "Format-Serving", *fit(train_notes, labels))
    report, blessing = gate(candidate, champion=champion)
    assert report["difference"]["low"] > 0, "significantly better overall"
    assert blessing.get_int_custom_property("blessed") == 0
    assert failed(report) == {"worst slice", "slice regressions"}
    assert [part["name"] for part in report["slices"] if part["fallen"]] == ["family=flute"]
    assert "family=flute" in report["verdict"]
    forgiving, _ = gate(candidate, champion=champion, min_slice_accuracy=0.0, max_slice_loss=1.0)
    assert forgiving["blessed"], "nothing else stood against it"


def test_policies_against_the_champion(gate, good_model, confused_model):
    assert gate(good_model, champion=confused_model)[0]["blessed"], "significantly better"
    same, _ = gate(good_model, champion=good_model)
    assert failed(same) == {"improvement"}, "the stricter policy is the default"
    assert gate(good_model, champion=good_model, policy="not_worse")[0]["blessed"]
    assert same["champion"]["digest"] == model_digest(str(good_model / "Format-Serving"))
    worse, blessing = gate(confused_model, champion=good_model, policy="not_worse", max_slice_loss=1.0)
    assert failed(worse) == {"improvement"}
    assert blessing.get_string_custom_property("baseline_model") == worse["champion"]["uri"]
    assert gate(confused_model, champion=good_model, policy="not_worse", margin=1.0, max_slice_loss=1.0)[0][
        "blessed"
    ]


def hand_made(
    notes: int, right: np.ndarray, champion_right: np.ndarray | None = None, family: int = 0
) -> Predictions:
    """Notes of one family, ten an instrument, answered as told."""

    def answers(hits):
        return np.eye(CLASSES, dtype=np.float32)[np.where(hits, family, (family + 1) % CLASSES)]

    return Predictions(
        note_str=np.array([f"n{i}" for i in range(notes)]),
        instrument_str=np.array([f"i{i // 10}" for i in range(notes)]),
        family=np.full(notes, family),
        attributes={
            "source": np.zeros(notes, int),
            "pitch": np.arange(notes) % 128,
            "velocity": np.where(np.arange(notes) < 5, 25, 127),
        },
        candidate=answers(right),
        champion=answers(champion_right)
        if champion_right is not None
        else np.zeros((0, CLASSES), np.float32),
    )


def test_slices_too_small_to_mean_anything_are_said_to_be_so_and_do_not_decide():
    right = np.ones(200, bool)
    right[:5] = False  # the five soft notes, all of one instrument
    report = judge(hand_made(200, right), GateOptions())
    soft = next(part for part in report.slices if part.name == "velocity=25")
    assert (soft.notes, soft.instruments, soft.judged) == (5, 1, False)
    assert soft.accuracy.value == 0
    assert report.blessed


def test_named_slices_have_their_own_bars_and_cannot_be_skipped_for_want_of_notes():
    predictions = hand_made(200, np.arange(200) % 10 < 8)  # 80 % everywhere
    assert judge(predictions, GateOptions(slice_thresholds={"family=bass": 0.75})).blessed
    report = judge(
        predictions,
        GateOptions(slice_thresholds={"family=bass": 0.9, "velocity=25": 0.1, "family=reed": 0.1}),
    )
    assert {check.name for check in report.failed()} == {"family=bass", "velocity=25", "family=reed"}


def test_a_fall_within_chance_does_not_decide():
    """One instrument of many got worse: the family lost more than allowed, but not beyond chance."""
    before, after = np.ones(100, bool), np.ones(100, bool)
    after[:20] = False
    lucky = judge(hand_made(100, after, before), GateOptions(policy="not_worse", margin=1.0))
    assert not any(part.fallen for part in lucky.slices if part.name == "family=bass")
    after[np.arange(100) % 10 < 3] = False  # every instrument lost three notes in ten
    real = judge(hand_made(100, after, before), GateOptions(policy="not_worse", margin=1.0))
    assert any(part.fallen for part in real.slices if part.name == "family=bass")


def test_the_report_says_by_how_much():
    right = np.arange(200) % 10 != 0  # nine in ten, of every instrument
    report = judge(hand_made(200, right, ~right), GateOptions(min_accuracy=0.5, min_macro_recall=0.95))
    by = {check.name: check.by for check in report.checks}
    assert by["accuracy"] == "+40.0 points"
    assert by["macro recall"] == "-5.0 points"
    assert by["improvement"] == "+80.0 points"
    assert by["worst slice"].startswith("+")


def test_pitch_bands_cover_every_pitch_once():
    predictions = hand_made(128, np.ones(128, bool))
    bands = [
        inside for name, inside in slices(predictions, GateOptions().edges).items() if name[:5] == "pitch"
    ]
    assert len(bands) == 6
    assert (np.sum(bands, axis=0) == 1).all()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("slice_thresholds", {"family=tuba": 0.5}, "not a family"),
        ("slice_thresholds", {"colour=red": 0.5}, "not a slice"),
        ("slice_thresholds", {"family=bass": 1.5}, "less than or equal to 1"),
        ("edges", {"pitch": (60, 40)}, "ascending"),
        ("edges", {"loudness": (0, 40)}, "pitch, velocity"),
        ("policy", "whatever", "better"),
    ],
)
def test_options_that_make_no_sense_are_refused(field, value, says):
    with pytest.raises(ValueError, match=says):
        GateOptions(**{field: value})


def test_the_thresholds_of_slices_are_read_under_their_earlier_name_too():
    options = GateOptions.model_validate({"slice_bars": {"family=bass": 0.5}})
    assert options.slice_thresholds == {"family=bass": 0.5}

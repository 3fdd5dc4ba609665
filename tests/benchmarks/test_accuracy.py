"""The accuracy benchmark: nobody is tested on what it learned from, results are kept, figures are right."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import nsynth
from benchmarks import accuracy, travel
from benchmarks.study import jobs
from benchmarks.study import notes as data
from benchmarks.study.contenders import CONTENDERS, Task, normalizer
from benchmarks.study.folds import Fold, choosing, cross_validation, held_out, learning_curve
from benchmarks.study.notes import Notes, Set
from trainer.options import AugmentOptions, RecipeOptions
from transform.options import SpectrogramOptions

pytestmark = pytest.mark.slow

SPECTROGRAM = SpectrogramOptions(hop_length=2048, n_fft=2048, n_mels=44)
FAMILIES, FONTS, INSTRUMENTS, EACH = len(nsynth.FAMILIES), ("one", "two"), 16, 3


@pytest.fixture(scope="module")
def notes() -> Notes:
    """Every family has 16 instruments of two fonts, two to a recording group; energy tells the family."""
    random = np.random.default_rng(0)
    family, number, _ = np.indices((FAMILIES, INSTRUMENTS, EACH)).reshape(3, -1)
    count = len(family)
    log_mel = random.normal(-8, 1, (count, SPECTROGRAM.frames, SPECTROGRAM.n_mels)).astype(np.float32)
    for note, of in zip(log_mel, family, strict=True):
        note[:, of % 4 :: 4] += 3
        note[:, of // 4 * 15 : of // 4 * 15 + 15] += 3
    names = [f"{nsynth.FAMILIES[f]}_acoustic_{n:03}".encode() for f, n in zip(family, number, strict=True)]
    ones = np.ones(count, np.int64)
    labels = {
        nsynth.FAMILY: family,
        nsynth.SOURCE: 0 * ones,
        nsynth.PITCH: 60 * ones,
        nsynth.VELOCITY: 100 * ones,
        nsynth.INSTRUMENT_STR: np.array(names),
        nsynth.NOTE_STR: np.array(names),
    }
    return Notes(
        labels=labels,
        log_mel=log_mel,
        image=np.zeros((count, 128, 128), np.float16),
        statistics=log_mel.mean(axis=1),
        group=family * INSTRUMENTS + number // 2,
        font=np.array(FONTS)[(number >= 9).astype(int)],
    )


def lineages(notes: Notes) -> list[Fold]:
    return [held_out(font, notes, notes) for font in FONTS]


def groups(notes: Notes, positions: np.ndarray) -> set[int]:
    return set(notes.group[positions].tolist())


def test_every_note_is_tested_once(notes):
    tested = np.concatenate([fold.test.chosen for fold in cross_validation(notes)])
    assert sorted(tested) == list(range(len(notes)))


def test_no_recording_is_in_two_parts_of_a_fold(notes):
    for fold in [*cross_validation(notes), *lineages(notes)]:
        parts = [groups(notes, part) for part in (fold.train, fold.dev, fold.test.chosen)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set().union(*parts)), fold.name


def test_every_family_is_in_every_part_of_a_fold(notes):
    for fold in cross_validation(notes):
        for part in (fold.train, fold.test.chosen):
            assert len(np.unique(notes.family[part])) == FAMILIES
    assert len({len(fold.test.chosen) for fold in cross_validation(notes)}) == 1


def test_a_lineage_is_held_out_with_all_that_shares_its_recordings(notes):
    one, two = lineages(notes)
    assert [fold.name for fold in (one, two)] == list(FONTS)
    assert set(notes.font[two.test.chosen]) == {"two"}
    assert set(notes.font[two.known]) == {"one"}
    # Instruments 8 and 9 share a group and lie in different fonts: 8 is of font one and must not be trained on.
    assert len(two.known) == FAMILIES * 8 * EACH


def test_the_learning_curve_has_fewer_groups_and_the_same_test(notes):
    whole = cross_validation(notes)[0]
    quarter, half = learning_curve(whole)
    for fold in (quarter, half):
        assert groups(notes, fold.train) < groups(notes, whole.train)
        assert groups(notes, fold.dev) <= groups(notes, whole.dev)
        assert fold.test is whole.test
    assert len(quarter.train) < len(half.train) < len(whole.train)


def test_a_recipe_is_chosen_on_nothing_that_is_reported(notes):
    whole = cross_validation(notes)[0]
    by_group, by_font = choosing(whole)
    for choice in (by_group, by_font):
        assert not groups(notes, choice.test.chosen) & groups(notes, choice.known)
        assert not groups(notes, whole.test.chosen) & (
            groups(notes, choice.test.chosen) | groups(notes, choice.known)
        )
    assert set(notes.font[by_font.test.chosen]) == {"one"}
    assert set(notes.font[by_font.known]) == {"two"}


def test_normalization_is_over_train_notes_and_each_bin(notes):
    train = np.arange(0, len(notes), 2)
    spread = normalizer(notes, train)(notes.log_mel[train])
    np.testing.assert_allclose(spread.mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(spread.std(axis=(0, 1)), 1, atol=1e-3)
    overall = normalizer(notes, train, per_bin=False)(notes.log_mel[train])
    assert overall.mean() == pytest.approx(0, abs=1e-3)
    assert np.ptp(overall.mean(axis=(0, 1))) > 0.1


@pytest.mark.parametrize("name", ["majority", "extra-trees", "svm", "ours"])
def test_contenders_learn_what_can_be_learned(name, notes, tmp_path):
    quick = {"epochs": 5, "batch_size": 16, "learning_rate": 1e-2, "ema_momentum": 0.8}
    recipe = RecipeOptions(size="tiny", augment=AugmentOptions.off(), **quick)
    fold = cross_validation(notes)[0]
    task = Task(fold, 0, recipe, SPECTROGRAM, tmp_path)
    answers = CONTENDERS[name](task)(fold.test)
    right = (answers == fold.test.families).mean()
    assert right == pytest.approx(1 / FAMILIES) if name == "majority" else right > 0.5


@pytest.fixture
def looks(notes, monkeypatch) -> list[tuple]:
    """What the commands add to the record of looks; they are given these notes instead of rendered ones."""
    looks: list[tuple] = []
    out_of_domain = Set("recordings", notes, np.arange(30))
    monkeypatch.setattr(
        jobs, "record_look", lambda part, who, sets, models: looks.append((part, who, [*sets], models))
    )
    monkeypatch.setattr(data, "installed", lambda fonts: FONTS)
    monkeypatch.setattr(data, "CHOOSING_FONTS", FONTS)
    monkeypatch.setattr(data, "rendered", lambda *_: notes)
    monkeypatch.setattr(data, "out_of_domain", lambda *_: [out_of_domain])
    return looks


def test_the_command_trains_what_is_missing_and_resumes(tmp_path, looks):
    def call(*only: str) -> str:
        wanted = [part for name in only for part in ("--only", name)]
        answer = CliRunner().invoke(accuracy.main, ["--quick", "--folder", str(tmp_path), *wanted])
        assert answer.exit_code == 0, answer.output
        return answer.output

    assert "[1/5] majority, fold0, seed 0" in call("majority")
    told = call("majority", "svm")
    assert "majority, fold0" not in told
    assert "[4/5] svm, fold0, seed 0" in told
    assert "3 of 5 trainings are still to do" in told
    assert looks == [("accuracy", name, ["fold0", "recordings"], 1) for name in ("majority", "svm")]


def test_out_of_domain_sounds_are_asked_about_on_each_lineage(tmp_path, looks):
    answer = CliRunner().invoke(travel.main, ["--folder", str(tmp_path), "--only", "majority"])
    assert answer.exit_code == 0, answer.output
    assert looks == [("choosing", "majority", ["one held out", "two held out", "recordings"], 2)]
    assert "In all 0 minutes of training." in answer.output
    stolen = CliRunner().invoke(travel.main, ["--name", "svm"])
    assert (stolen.exit_code, "another contender's" in stolen.output) == (1, True)


def test_quick_is_the_main_rows_of_one_fold():
    jobs = accuracy.plan(["fold0"], seeds=1, ablations=False)
    assert {job.fold for job in jobs} == {"fold0"}
    assert {job.contender for job in jobs} == {"majority", "ancestor", "extra-trees", "svm", "ours"}


def test_the_whole_plan_has_each_job_once_and_the_ablations_on_one_fold():
    folds = ["fold0", "fold1", "without-one", "fold0-25%"]
    jobs = accuracy.plan(folds, seeds=3, ablations=True)
    assert len(set(jobs)) == len(jobs)
    assert {job.fold for job in jobs if job.contender.startswith("ours-")} == {"fold0"}
    assert [job.seed for job in jobs if (job.contender, job.fold) == ("ours", "fold0")] == [0, 1, 2]
    assert {job.contender for job in jobs if job.fold == "fold0-25%"} == {"ours", "extra-trees"}


def result(contender: str, fold: Fold, wrong: int, seed: int = 0) -> dict:
    """A made-up result with the first `wrong` answers wrong."""
    answers = fold.test.families.copy()
    answers[:wrong] = (answers[:wrong] + 1) % FAMILIES
    sizes = {"train_instruments": 5, "train_notes": len(fold.train), "wall_s": 60.0, "cpu_s": 60.0}
    named = {"contender": contender, "fold": fold.name, "seed": seed}
    return {**named, **sizes, "answers": {fold.test.name: answers.tolist()}}


def test_figures_are_those_of_the_answers(notes, tmp_path):
    folds = cross_validation(notes)
    size = len(folds[0].test)
    results = [result("ours", fold, wrong=size // 4) for fold in folds]
    results += [result("extra-trees", fold, wrong=size // 2) for fold in folds]
    accuracy.show(results, folds, [], [], tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    ours = told["rows"]["ours"]["not in train"]
    assert ours["value"] == pytest.approx(1 - (size // 4) / size)
    assert ours["low"] < ours["value"] < ours["high"]
    less = told["minus"]["extra-trees"]["not in train"]["value"]
    assert less == pytest.approx((size // 2 - size // 4) / size)
    assert np.sum(told["confusion"]) == len(notes)
    picture = (tmp_path / "confusion.svg").read_text()
    assert "prefers-color-scheme: dark" in picture
    assert "#ffffff" not in picture.partition("</style>")[2]


def test_seeds_are_told_with_mean_and_spread(notes, tmp_path, capsys):
    fold = cross_validation(notes)[0]
    results = [result("ours", fold, wrong, seed) for seed, wrong in enumerate((0, len(fold.test) // 2))]
    accuracy.show(results, [fold], [], [], tmp_path)
    assert "75.0 ± 35.4" in capsys.readouterr().out


def test_ours_on_real_notes_is_compared_note_by_note(notes, tmp_path):
    fold, real = cross_validation(notes)[0], Set("real notes", notes, np.arange(len(notes)))
    results = [result(contender, fold, wrong=0) for contender in ("ours", "extra-trees")]
    right = notes.family
    results[0]["answers"][real.name] = right.tolist()
    wrong = np.where(np.arange(len(right)) % 4, right, (right + 1) % FAMILIES)
    results[1]["answers"][real.name] = wrong.tolist()
    accuracy.show(results, [fold], [], [real], tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    assert told["minus"]["extra-trees"][real.name]["value"] == pytest.approx(0.25)
    assert told["rows"]["extra-trees"][real.name]["value"] == pytest.approx(0.75)
    assert told["rows"]["extra-trees"]["travel"] == told["rows"]["extra-trees"][real.name]

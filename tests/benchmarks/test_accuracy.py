"""The accuracy benchmark: nobody is tested on what it learned from, results are kept, figures are right."""

import json

import numpy as np
import pytest

import nsynth
from benchmarks import accuracy, accuracy_report
from benchmarks.accuracy_contenders import CONTENDERS, Task
from benchmarks.accuracy_data import Notes, normalizer
from benchmarks.accuracy_folds import FOLDS, HELD_OUT, choosing, cross_validation, learning_curve, lineages
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


def groups(notes: Notes, positions: np.ndarray) -> set[int]:
    return set(notes.group[positions].tolist())


def test_every_note_is_tested_once(notes):
    tested = np.concatenate([fold.test for fold in cross_validation(notes)])
    assert sorted(tested) == list(range(len(notes)))


def test_no_recording_is_in_two_parts_of_a_fold(notes):
    for fold in [*cross_validation(notes), *lineages(notes)]:
        parts = [groups(notes, part) for part in (fold.train, fold.dev, fold.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set().union(*parts)), fold.name


def test_every_family_is_in_every_part_of_a_fold(notes):
    for fold in cross_validation(notes):
        for part in (fold.train, fold.test):
            assert len(np.unique(notes.family[part])) == FAMILIES
    assert len({len(fold.test) for fold in cross_validation(notes)}) == 1


def test_a_lineage_is_held_out_with_all_that_shares_its_recordings(notes):
    one, two = lineages(notes)
    assert [fold.name for fold in (one, two)] == [HELD_OUT + font for font in FONTS]
    assert set(notes.font[two.test]) == {"two"}
    assert set(notes.font[two.known]) == {"one"}
    # Instruments 8 and 9 share a group and lie in different fonts: 8 is of font one and must not be trained on.
    assert len(two.known) == FAMILIES * 8 * EACH


def test_the_learning_curve_has_fewer_groups_and_the_same_test(notes):
    whole = cross_validation(notes)[0]
    quarter, half = learning_curve(notes, whole)
    for fold in (quarter, half):
        assert groups(notes, fold.train) < groups(notes, whole.train)
        assert groups(notes, fold.dev) <= groups(notes, whole.dev)
        assert fold.test is whole.test
    assert len(quarter.train) < len(half.train) < len(whole.train)


def test_a_recipe_is_chosen_on_nothing_that_is_reported(notes):
    whole = cross_validation(notes)[0]
    by_group, by_font = choosing(notes, whole)
    for choice in (by_group, by_font):
        assert not groups(notes, choice.test) & groups(notes, choice.known)
        assert not groups(notes, whole.test) & (groups(notes, choice.test) | groups(notes, choice.known))
    assert set(notes.font[by_font.test]) == {"one"}
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
    task = Task(notes, fold, 0, recipe, SPECTROGRAM, tmp_path)
    answers = CONTENDERS[name](task)(notes, fold.test)
    right = (answers == notes.family[fold.test]).mean()
    assert right == pytest.approx(1 / FAMILIES) if name == "majority" else right > 0.5


def test_a_result_is_kept_and_used_for_the_same_question_only(tmp_path):
    file = tmp_path / "fold0" / "ours-seed0.json"
    accuracy.keep({"made_of": {"recipe": 1}, "answers": [3]}, file)
    assert accuracy.kept(file, {"recipe": 1})["answers"] == [3]
    assert accuracy.kept(file, {"recipe": 2}) is None
    assert accuracy.kept(tmp_path / "none", {"recipe": 1}) is None


def test_a_result_with_real_notes_will_do_without_them_too(tmp_path):
    accuracy.keep({"made_of": {"real": True}}, tmp_path / "with.json")
    accuracy.keep({"made_of": {"real": False}}, tmp_path / "without.json")
    assert accuracy.kept(tmp_path / "with.json", {"real": False})
    assert accuracy.kept(tmp_path / "without.json", {"real": True}) is None


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


def result(contender: str, fold, notes: Notes, wrong: int, seed: int = 0) -> dict:
    """A made-up result with the first `wrong` answers wrong."""
    answers = notes.family[np.sort(fold.test)].copy()
    answers[:wrong] = (answers[:wrong] + 1) % FAMILIES
    named = {"contender": contender, "fold": fold.name, "seed": seed, "real_answers": None}
    sizes = {
        "train_instruments": 5,
        "train_notes": len(fold.train),
        "wall_s": 60.0,
        "cpu_s": 60.0,
        "told": {},
    }
    return {**named, **sizes, "test": np.sort(fold.test).tolist(), "answers": answers.tolist()}


def test_figures_are_those_of_the_answers(notes, tmp_path, capsys):
    folds = cross_validation(notes)
    size = len(folds[0].test)
    results = [result("ours", fold, notes, wrong=size // 4) for fold in folds]
    results += [result("extra-trees", fold, notes, wrong=size // 2) for fold in folds]
    accuracy_report.show(results, [None] * (len(results) + 3), notes, None, tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    ours = told["contenders"]["ours"]["cross"]
    assert ours["folds"] == FOLDS
    assert ours["micro"]["value"] == pytest.approx(1 - (size // 4) / size)
    assert ours["micro"]["low"] < ours["micro"]["value"] < ours["micro"]["high"]
    less = told["ours_minus"]["extra-trees"]["cross"]["value"]
    assert less == pytest.approx((size // 2 - size // 4) / size)
    assert np.sum(told["confusion"]) == len(notes)
    picture = (tmp_path / "confusion.svg").read_text()
    assert "prefers-color-scheme: dark" in picture
    assert "#ffffff" not in picture.partition("</style>")[2]
    assert "3 of 11 trainings are still to do" in capsys.readouterr().out


def test_seeds_are_told_with_mean_and_spread(notes, tmp_path, capsys):
    fold = cross_validation(notes)[0]
    size = len(fold.test)
    results = [result("ours", fold, notes, wrong, seed) for seed, wrong in enumerate((0, size // 2))]
    accuracy_report.show(results, results, notes, None, tmp_path)
    assert "75.0 ± 35.4" in capsys.readouterr().out


def test_ours_on_real_notes_is_compared_note_by_note(notes, tmp_path):
    fold = cross_validation(notes)[0]
    results = [result(contender, fold, notes, wrong=0) for contender in ("ours", "extra-trees")]
    right = notes.family.copy()
    results[0]["real_answers"] = right.tolist()
    results[1]["real_answers"] = np.where(np.arange(len(right)) % 4, right, (right + 1) % FAMILIES).tolist()
    told = accuracy_report.summarize(results, notes, transfer=notes)
    assert told["ours_minus"]["extra-trees"]["real"]["value"] == pytest.approx(0.25)
    assert told["contenders"]["extra-trees"]["real"]["value"] == pytest.approx(0.75)

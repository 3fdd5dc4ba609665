from collections import Counter

import numpy as np
import pytest

import nsynth
from corpus.fonts import open_fonts
from corpus.options import VELOCITIES, CorpusOptions
from corpus.plan import PEAKS, Delivery, plan_corpus


@pytest.fixture(scope="module")
def fonts():
    return open_fonts(["TimGM6mb"])


@pytest.fixture(scope="module")
def small(fonts):
    return plan_corpus(CorpusOptions(), fonts)


def test_instruments_are_ordered_by_family_and_named_as_nsynth_names_them(small):
    ids = [nsynth.FAMILIES.index(instrument.family) for instrument in small]
    assert ids == sorted(ids)
    assert [instrument.number for instrument in small] == list(range(len(small)))
    numbers = Counter()
    for instrument in small:
        kind = f"{instrument.family}_{instrument.source}"
        assert instrument.name == f"{kind}_{numbers[kind]:03d}"
        numbers[kind] += 1


def test_the_default_size_is_five_pitches_at_five_velocities(small):
    assert len(small) == 90
    for instrument in small:
        assert len(instrument.notes) == 25
        assert len({note.pitch for note in instrument.notes}) == 5
        assert Counter(note.velocity for note in instrument.notes) == dict.fromkeys(VELOCITIES, 5)


def test_notes_are_numbered_through_and_peaks_lie_in_their_range(small):
    notes = [note for instrument in small for note in instrument.notes]
    assert [note.number for note in notes] == list(range(len(notes)))
    assert all(PEAKS[0] <= note.peak <= PEAKS[1] for note in notes)


def test_splits_are_disjoint_by_group_and_every_family_is_in_each(small):
    assert all(len({i.split for i in small if i.group == group}) == 1 for group in {i.group for i in small})
    for family in nsynth.FAMILIES:
        assert {i.split for i in small if i.family == family} == {"train", "valid", "test"}


def test_fewer_velocities_give_more_pitches_and_still_all_velocities(fonts):
    plan = plan_corpus(CorpusOptions(size=25, velocities_per_pitch=1), fonts)
    for instrument in plan:
        assert len(instrument.notes) == 25
        if instrument.family == "keyboard":  # wide enough; a narrow range repeats pitches
            assert len({note.pitch for note in instrument.notes}) == 25
        assert {note.velocity for note in instrument.notes} == set(VELOCITIES)


def test_a_narrow_range_gives_fewer_notes_each_once(make_soundfont):
    path = make_soundfont([(0, 58, "tuba", [(30, 32, 0)])], [np.arange(100)])
    (tuba,) = plan_corpus(CorpusOptions(size="large"), open_fonts([str(path)]))
    played = [(note.pitch, note.velocity) for note in tuba.notes]
    assert played == [(pitch, velocity) for pitch in (30, 31, 32) for velocity in VELOCITIES]


def test_the_seed_draws_the_pitches(fonts):
    def pitches(seed):
        return [note.pitch for i in plan_corpus(CorpusOptions(seed=seed), fonts) for note in i.notes]

    assert pitches(1) == pitches(1) != pitches(2)


@pytest.mark.parametrize("seed", range(5))
def test_tiny_takes_few_instruments_but_every_family_in_each_split(fonts, seed):
    plan = plan_corpus(CorpusOptions(size="tiny", seed=seed), fonts)
    assert Counter(instrument.family for instrument in plan) == dict.fromkeys(nsynth.FAMILIES, 5)
    assert sum(len(instrument.notes) for instrument in plan) == 220
    for family in nsynth.FAMILIES:
        assert {i.split for i in plan if i.family == family} == {"train", "valid", "test"}


def test_a_font_without_any_family_is_a_user_error(make_soundfont):
    path = make_soundfont([(0, 21, "accordion", [(0, 127, 0)])], [np.arange(100)])
    with pytest.raises(nsynth.UserError, match=r"No preset of .*made\.sf2"):
        plan_corpus(CorpusOptions(), open_fonts([str(path)]))


def test_deliveries_share_no_note_and_training_shares_no_instrument_with_evaluation(fonts):
    plan = plan_corpus(CorpusOptions(size=10), fonts)
    spans = [Delivery(number, 3).of(plan) for number in (1, 2, 3)]
    dealt = sorted(note.number for span in spans for each in span for note in each.notes)
    assert dealt == sorted(note.number for each in plan if each.split != "test" for note in each.notes)
    held_out = Delivery(0, 3).of(plan)
    assert {each.split for each in held_out} == {"valid"}
    assert {each.name for each in held_out} == {each.name for each in plan if each.split == "test"}
    for span in spans:
        assert {each.family for each in span if each.split == "train"} == set(nsynth.FAMILIES)
        assert {note.velocity for each in span for note in each.notes} == set(VELOCITIES)

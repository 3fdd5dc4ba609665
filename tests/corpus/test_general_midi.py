import nsynth
from corpus.general_midi import DISTORTED_PROGRAMS, VOICES


def test_labels_and_ranges_are_ones_that_nsynth_knows():
    for program, voice in VOICES.items():
        assert program in range(128)
        assert voice.family in nsynth.FAMILIES
        assert voice.source in nsynth.SOURCES
        assert 21 <= voice.lowest_pitch < voice.highest_pitch <= 108  # a piano's keys, as NSynth


def test_every_family_has_programs():
    assert {voice.family for voice in VOICES.values()} == set(nsynth.FAMILIES)


def test_distorted_programs_are_guitars():
    assert {VOICES[program].family for program in DISTORTED_PROGRAMS} == {"guitar"}

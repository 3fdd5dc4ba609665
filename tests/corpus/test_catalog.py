import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsynth
from corpus.catalog import CATALOG_FILE, connected, list_sounds
from corpus.fonts import KNOWN_FONTS, open_fonts


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with CATALOG_FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_catalogue_speaks_of_known_fonts_in_nsynths_words(rows):
    assert {row["font"] for row in rows} == {known.name for known in KNOWN_FONTS}
    assert len({(row["font"], row["bank"], row["program"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["family"] in nsynth.FAMILIES
        assert row["source"] in nsynth.SOURCES
        assert 21 <= int(row["lowest_pitch"]) < int(row["highest_pitch"]) <= 108


def test_every_row_of_the_default_font_is_a_preset_of_the_file(rows):
    (font,) = open_fonts(["TimGM6mb"])
    in_file = {(preset.bank, preset.program, preset.name) for preset in font.file.presets}
    in_rows = {(int(r["bank"]), int(r["program"]), r["preset"]) for r in rows if r["font"] == "TimGM6mb"}
    assert len(in_rows) == 90
    assert in_rows <= in_file


def test_sounds_of_one_catalogue_number_or_one_recording_share_a_group(rows):
    number = {int(row["program"]): row["recordings"] for row in rows if row["font"] == "TimGM6mb"}
    sounds = list_sounds(open_fonts(["TimGM6mb"]))
    samples = {
        sound.key: {sound.font.file.recording(sample) for sample in sound.preset.samples(*_range(sound))}
        for sound in sounds
    }
    for one in sounds:
        for other in sounds:
            if one.group != other.group:
                assert number[one.preset.program] != number[other.preset.program]
                assert not samples[one.key] & samples[other.key]


def test_an_unknown_font_follows_general_midi(small_font):
    sounds = list_sounds(open_fonts([str(small_font)]))
    labels = [(sound.preset.name, sound.voice.family, sound.voice.source) for sound in sounds]
    assert labels[0] == ("piano 0", "keyboard", "acoustic")
    assert labels[-1] == ("flute 2", "flute", "acoustic")
    groups = {sound.preset.name: sound.group for sound in sounds}
    assert groups["tuba"] == groups["flute 2"]  # the same recording
    assert len(set(groups.values())) == 6


def test_drums_effects_and_programs_of_no_family_are_left_out(make_soundfont):
    zones = [(0, 127, 0)]
    presets = [
        (0, 0, "piano", zones), (8, 0, "soft piano", zones), (8, 40, "orchestra hit", zones),
        (128, 0, "standard kit", zones), (0, 21, "accordion", zones), (0, 127, "gunshot", zones),
    ]  # fmt: skip
    sounds = list_sounds(open_fonts([str(make_soundfont(presets, [np.arange(100)]))]))
    assert [sound.preset.name for sound in sounds] == ["piano", "soft piano"]


def test_one_recording_in_two_fonts_is_one_group(make_soundfont):
    shared, other = np.arange(100), np.arange(200, 300)
    first = make_soundfont([(0, 0, "piano", [(0, 127, 0)])], [shared], name="first.sf2")
    second = make_soundfont(
        [(0, 4, "electric", [(0, 127, 0)]), (0, 6, "harpsichord", [(0, 127, 1)])],
        [other, shared],
        name="second.sf2",
    )
    piano, electric, harpsichord = list_sounds(open_fonts([str(first), str(second)]))
    assert piano.group == harpsichord.group != electric.group


def test_pitches_stay_in_the_natural_range_and_where_the_font_sounds(make_soundfont):
    font = make_soundfont([(0, 58, "tuba", [(0, 40, 0), (50, 60, 0)])], [np.arange(100)])
    (sound,) = list_sounds(open_fonts([str(font)]))
    natural = [*range(26, 41), *range(50, 61)]
    assert sound.pitches(0) == natural
    assert sound.pitches(2) == [24, 25, *natural]
    assert sound.pitches(48)[0] == 0


@given(st.lists(st.sets(st.integers(0, 20).map(str), max_size=3), max_size=15))
def test_connected_numbers_sets_as_a_flood_fill_would(sets):
    numbers = connected(sets)
    for start, number in enumerate(numbers):
        reached, edge = {start}, [start]
        while edge:
            here = edge.pop()
            near = {other for other in range(len(sets)) if sets[here] & sets[other]} - reached
            reached |= near
            edge += near
        assert {index for index, its in enumerate(numbers) if its == number} == reached


def _range(sound):
    pitches = sound.pitches(0)
    return pitches[0], pitches[-1]

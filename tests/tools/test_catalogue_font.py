"""Rows for the catalogue: which known recordings a new SoundFont reuses, whatever was done to them."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from corpus.fonts import KnownFont
from tools import catalogue_font

PIANO, FLUTE, CLARINET, TUBA, GUNSHOT = 0, 73, 71, 58, 127  # programs of General MIDI
RATE_HZ = 16_000


def recording(number: int) -> np.ndarray:
    """Noise of one second that fades: int16 [16000], another one for each number."""
    noise = np.random.default_rng(number).normal(0, 3_000, RATE_HZ)
    return np.rint(noise * np.exp(-3 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.int16)


def preset(program: int, sample: int) -> tuple:
    return 0, program, f"program {program}", [(0, 127, sample)]


@pytest.fixture
def known(make_soundfont, tmp_path, monkeypatch) -> Path:
    """A catalogued font: a piano with the recordings of group 7, a flute with those of group 9."""
    path = make_soundfont([preset(PIANO, 0), preset(FLUTE, 1)], [recording(0), recording(1)], name="old.sf2")
    font = KnownFont("Old", "", "", "", "a package", "Old", places=(str(path),))
    monkeypatch.setattr(catalogue_font, "KNOWN_FONTS", [font])
    monkeypatch.setattr("corpus.fonts.KNOWN_FONTS", [font])
    catalogue = tmp_path / "catalog.csv"
    catalogue.write_text(
        "font,bank,program,preset,family,source,lowest_pitch,highest_pitch,recordings\n"
        "Old,0,0,piano,keyboard,acoustic,21,108,7\n"
        "Old,0,73,flute,flute,acoustic,60,96,9\n"
    )
    monkeypatch.setattr(catalogue_font, "CATALOG_FILE", catalogue)
    return path


@pytest.fixture
def rows(monkeypatch, capsys):
    """Calls the tool; returns what it prints, by program, and its standard error."""

    def call(font: Path) -> tuple[dict[int, list[str]], str]:
        monkeypatch.setattr("sys.argv", ["catalogue_font", "New", str(font)])
        catalogue_font.main()
        printed = capsys.readouterr()
        return {int(row[2]): row for row in csv.reader(io.StringIO(printed.out))}, printed.err

    return call


def test_a_copy_that_was_cut_and_turned_down_has_the_number_of_the_original(known, make_soundfont, rows):
    copies = [(recording(1)[200:9_000] * 0.3).astype(np.int16), recording(2)]
    found, summary = rows(make_soundfont([preset(CLARINET, 0), preset(TUBA, 1)], copies))
    assert found[CLARINET][-1] == "9"
    assert found[TUBA][-1] == "10", "the first number that is free"
    assert summary == "2 presets, 1 with known recordings\n"


def test_presets_that_share_a_new_recording_share_its_number(known, make_soundfont, rows):
    presets = [preset(PIANO, 0), preset(FLUTE, 1), preset(CLARINET, 1)]
    found, _ = rows(make_soundfont(presets, [recording(3), recording(4)]))
    assert found[FLUTE][-1] == found[CLARINET][-1] != found[PIANO][-1]


def test_labels_and_ranges_follow_general_midi_and_effects_are_left_out(known, make_soundfont, rows):
    found, _ = rows(make_soundfont([preset(PIANO, 0), preset(GUNSHOT, 0)], [recording(5)]))
    assert list(found) == [PIANO]
    assert found[PIANO][:6] == ["New", "0", "0", "program 0", "keyboard", "acoustic"]


def test_silence_matches_nothing(known, make_soundfont, rows):
    found, summary = rows(make_soundfont([preset(PIANO, 0)], [np.zeros(RATE_HZ, np.int16)]))
    assert found[PIANO][-1] == "10"
    assert "0 with known recordings" in summary


def test_a_known_font_that_is_not_installed_is_named(known, make_soundfont, rows):
    known.unlink()
    found, said = rows(make_soundfont([preset(PIANO, 0)], [recording(0)]))
    assert "Old is not installed" in said
    assert found[PIANO][-1] == "10"

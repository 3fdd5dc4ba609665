import dataclasses

import numpy as np
import pytest

import nsynth
from corpus import fonts
from corpus.fonts import KNOWN_FONTS, find_font, open_fonts

SAMPLE = np.arange(100)


def test_the_default_font_is_found_by_name_and_known():
    (font,) = open_fonts(["timgm6mb"])
    assert font.name == "TimGM6mb"
    assert font.known is KNOWN_FONTS[0]
    assert "GPL-2.0" in font.licence


def test_a_known_font_is_recognised_wherever_it_lies(tmp_path):
    copy = tmp_path / "another name.sf2"
    copy.write_bytes(find_font("TimGM6mb").read_bytes())
    (font,) = open_fonts([str(copy)])
    assert font.name == "TimGM6mb"


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(nsynth.UserError, match=r"'Tim'.*TimGM6mb, FluidR3_GM, GeneralUser"):
        find_font("Tim")


def test_a_font_that_is_not_installed_names_its_package(monkeypatch):
    absent = [
        dataclasses.replace(known, places=("/nowhere/x.sf2", "no_such_package:x.sf2"))
        for known in KNOWN_FONTS
    ]
    monkeypatch.setattr(fonts, "KNOWN_FONTS", absent)
    with pytest.raises(nsynth.UserError, match=r"FluidR3_GM is not installed.*fluid-soundfont-gm \(Debian"):
        find_font("FluidR3_GM")


def test_a_path_that_does_not_exist_says_so(tmp_path):
    with pytest.raises(nsynth.UserError, match=r"gone\.sf3.*No such file"):
        open_fonts([str(tmp_path / "gone.sf3")])


def test_a_users_font_keeps_its_file_name_and_copyright_line(small_font):
    (font,) = open_fonts([str(small_font)])
    assert (font.name, font.known, font.licence) == ("made", None, "nobody's")


def test_a_font_without_copyright_line_says_that_none_is_stated(make_soundfont):
    (font,) = open_fonts([str(make_soundfont([(0, 0, "piano", [(0, 127, 0)])], [SAMPLE], copyright_line=""))])
    assert font.licence.startswith("not stated")


def test_a_font_named_twice_is_opened_once(small_font):
    assert len(open_fonts([str(small_font), str(small_font)])) == 1


def test_two_different_fonts_of_one_name_are_refused(make_soundfont, tmp_path):
    first = make_soundfont([(0, 0, "piano", [(0, 127, 0)])], [SAMPLE])
    (tmp_path / "other").mkdir()
    second = make_soundfont([(0, 0, "piano", [(0, 127, 0)])], [-SAMPLE], name="other/made.sf2")
    with pytest.raises(nsynth.UserError, match="Two different SoundFonts are named made"):
        open_fonts([str(first), str(second)])

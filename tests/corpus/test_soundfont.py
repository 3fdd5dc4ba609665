from pathlib import Path

import numpy as np
import pytest

import nsynth
from corpus.fonts import find_font
from corpus.soundfont import SoundFont, Zone

SAMPLES = [np.arange(100), np.arange(100, 300)]


def test_reads_presets_keys_and_recordings(make_soundfont):
    presets = [(0, 73, "flute", [(40, 59, 0), (60, 90, 1)]), (0, 0, "piano", [(0, 127, 1)])]
    font = SoundFont(make_soundfont(presets, SAMPLES))
    piano, flute = font.presets
    assert (flute.bank, flute.program, flute.name) == (0, 73, "flute")
    assert flute.zones == (Zone(40, 59, 0), Zone(60, 90, 1))
    assert flute.samples(50, 55) == {0}
    assert flute.samples(59, 60) == {0, 1}
    assert piano.samples(0, 127) == {1}
    assert font.info("ICOP") == "nobody's"
    assert font.info("INAM") == ""


def test_a_recording_is_known_again_in_another_file(make_soundfont):
    one = SoundFont(make_soundfont([(0, 0, "a", [(0, 127, 0)])], SAMPLES, name="one.sf2"))
    other = SoundFont(make_soundfont([(0, 0, "b", [(0, 127, 0)])], SAMPLES[::-1], name="other.sf2"))
    assert one.recording(0) == other.recording(1)
    assert one.recording(0) != other.recording(0)
    assert one.sha256 != other.sha256


def test_empty_recordings_are_not_taken_for_one(make_soundfont):
    font = SoundFont(
        make_soundfont([(0, 0, "a", [(0, 127, 0)])], [SAMPLES[0], SAMPLES[0][:0], SAMPLES[0][:0]])
    )
    assert font.recording(1) != font.recording(2)


def test_reads_files_whose_odd_chunks_are_not_padded(make_soundfont):
    odd = "odd length"  # with its final zero byte an odd number of bytes
    font = SoundFont(
        make_soundfont([(0, 0, "a", [(0, 127, 0)])], SAMPLES, copyright_line=odd, pad_odd_chunks=False)
    )
    assert font.info("ICOP") == odd
    assert font.presets[0].name == "a"


def test_reads_the_default_soundfont():
    font = SoundFont(find_font("TimGM6mb"))
    names = {(preset.bank, preset.program): preset.name for preset in font.presets}
    assert len(names) == 136
    assert names[0, 40] == "Violin"


def test_a_missing_file_is_a_user_error(tmp_path):
    with pytest.raises(nsynth.UserError, match=r"Cannot read .*gone\.sf2.*No such file"):
        SoundFont(tmp_path / "gone.sf2")


def test_a_folder_is_a_user_error(tmp_path):
    with pytest.raises(nsynth.UserError, match="Cannot read"):
        SoundFont(tmp_path)


def test_a_file_that_may_not_be_read_is_a_user_error(small_font, monkeypatch):
    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied", str(small_font))

    monkeypatch.setattr(Path, "open", refuse)  # root may read all files
    with pytest.raises(nsynth.UserError, match="Permission denied"):
        SoundFont(small_font)


@pytest.mark.parametrize("content", [b"RIFF????WAVEfmt ", b"no SoundFont at all"])
def test_another_kind_of_file_is_a_user_error(tmp_path, content):
    path = tmp_path / "other.sf2"
    path.write_bytes(content)
    with pytest.raises(nsynth.UserError, match="is not a SoundFont"):
        SoundFont(path)


def test_an_empty_file_is_a_user_error(tmp_path):
    path = tmp_path / "empty.sf2"
    path.touch()
    with pytest.raises(nsynth.UserError, match="Cannot read"):
        SoundFont(path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_a_user_error(small_font, share):
    data = small_font.read_bytes()
    small_font.write_bytes(data[: int(share * len(data))])
    with pytest.raises(nsynth.UserError, match="truncated or damaged"):
        SoundFont(small_font)

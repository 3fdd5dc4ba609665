import numpy as np
import pytest

import nsynth
from corpus.fonts import find_font
from corpus.synth import Player, normalize

FLUTE, PIANO = 73, 0


@pytest.fixture(scope="module")
def tim():
    return Player(find_font("TimGM6mb"))


def test_a_note_has_nsynths_length_and_the_pitch_asked_for(tim):
    waveform = tim.play(0, FLUTE, 69, 100)
    assert waveform.shape == (nsynth.NOTE_SAMPLES,)
    assert waveform.dtype == np.float32
    power = np.abs(np.fft.rfft(waveform[16_000:32_000])) ** 2
    power[:300] = 0  # below it lie rumbles, above it the fundamental is the strongest
    assert np.argmax(power) == pytest.approx(440, abs=5)


def test_a_note_is_released_at_three_seconds(tim):
    waveform = tim.play(0, FLUTE, 69, 100)
    before, after = np.abs(waveform[40_000:47_900]).max(), np.abs(waveform[-8_000:]).max()
    assert before > 30 * after


def test_a_note_sounds_the_same_whatever_was_played_before(tim):
    notes = [(FLUTE, 60, 127), (PIANO, 40, 127), (PIANO, 90, 25), (FLUTE, 72, 25)]
    forward = [tim.play(0, *note) for note in notes]
    backward = [tim.play(0, *note) for note in reversed(notes)][::-1]
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(Player(find_font("TimGM6mb")).play(0, *notes[-1]), forward[-1])


def test_louder_strokes_are_louder(tim):
    peaks = [np.abs(tim.play(0, PIANO, 60, velocity)).max() for velocity in (25, 75, 127)]
    assert peaks == sorted(peaks)


def test_a_file_that_the_synthesizer_refuses_is_a_user_error(tmp_path):
    path = tmp_path / "x.sf2"
    path.write_bytes(b"RIFF")
    with pytest.raises(nsynth.UserError, match=r"cannot load the SoundFont .*x\.sf2"):
        Player(path)


def test_normalize_scales_the_loudest_sample_whatever_its_sign():
    waveform = np.array([0.01, -0.04, 0.02], np.float32)
    np.testing.assert_array_equal(normalize(waveform, 0.5), [4096, -16384, 8192])


@pytest.mark.parametrize("value", [0.0, 5e-5, np.nan, np.inf])
def test_normalize_answers_none_for_silence_and_for_what_is_no_sound(value):
    assert normalize(np.full(10, value, np.float32), 0.9) is None

import numpy as np
import pytest

import nsynth
from corpus.qualities import measure

TIME_S = np.arange(nsynth.NOTE_SAMPLES) / nsynth.SAMPLE_RATE_HZ
ORGAN, DISTORTION_GUITAR = 16, 30


def _names(waveform, pitch=48, program=ORGAN):
    return {nsynth.QUALITIES[number] for number in measure(waveform.astype(np.float32), pitch, program)}


def _sine(hz):
    return np.sin(2 * np.pi * hz * TIME_S)


def test_a_steady_tone_released_at_three_seconds_has_no_quality():
    assert _names(_sine(700) * (TIME_S < 3.2)) == set()


def test_a_tone_that_sounds_on_after_release_has_a_long_release():
    assert _names(_sine(700)) == {"long_release"}


def test_a_tone_that_dies_while_held_decays_fast():
    assert _names(_sine(700) * np.exp(-2 * TIME_S)) == {"fast_decay"}


def test_a_stroke_is_percussive():
    assert _names(_sine(700) * np.exp(-20 * TIME_S)) == {"fast_decay", "percussive"}


@pytest.mark.parametrize(("hz", "expected"), [(4_000, {"bright"}), (131, {"dark"}), (700, set())])
def test_brightness_is_where_the_power_lies(hz, expected):
    assert _names(_sine(hz) * (TIME_S < 3.2)) == expected


def test_a_high_note_is_not_bright_for_its_pitch_alone():
    assert _names(_sine(4_186) * (TIME_S < 3.2), pitch=108) == set()


def test_distortion_goes_by_program():
    assert _names(_sine(700) * (TIME_S < 3.2), program=DISTORTION_GUITAR) == {"distortion"}

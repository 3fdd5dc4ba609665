"""The made-up sounds of the benchmark of novelty: as long and as loud as notes, each its own, always the same."""

import numpy as np
import pytest

import nsynth
from benchmarks import novelty


@pytest.mark.parametrize("kind", novelty.KINDS)
def test_made_up_sounds_are_as_long_and_as_loud_as_notes(kind, monkeypatch):
    monkeypatch.setattr(novelty, "SOUNDS", 3)
    sounds = novelty.made_up(novelty.KINDS[kind])
    assert sounds.shape == (3, nsynth.NOTE_SAMPLES)
    assert np.isfinite(sounds).all()
    np.testing.assert_allclose(np.abs(sounds).max(axis=1), novelty.PEAK, rtol=1e-5)
    assert (sounds[0] != sounds[1]).any()
    np.testing.assert_array_equal(sounds, novelty.made_up(novelty.KINDS[kind]))


def test_what_is_like_speech_has_pauses_and_a_voice():
    sound = novelty.speech(np.random.default_rng(0))
    loud = np.abs(sound).reshape(-1, 800).max(axis=1)  # in spans of 50 ms
    assert 0.05 < (loud < 0.2 * loud.max()).mean() < 0.8
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum[: 4 * 3000].sum() > 2 * spectrum[4 * 5000 :].sum()  # bins of a quarter of a hertz

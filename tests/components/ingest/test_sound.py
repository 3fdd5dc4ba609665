"""The scalars agree with sounds whose values are known beforehand."""

import numpy as np
import pytest

import nsynth
from components.ingest.sound import describe

SECONDS = np.arange(nsynth.NOTE_SAMPLES) / nsynth.SAMPLE_RATE_HZ


def sine(frequency_hz: float, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency_hz * SECONDS)).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [110.0, 440.0, 1000.0, 6000.0])
def test_a_sine_is_centred_on_its_frequency(frequency_hz: float) -> None:
    assert describe(sine(frequency_hz)).spectral_centroid_hz == pytest.approx(frequency_hz, rel=0.05)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 1e-3])
def test_levels_are_in_db_of_full_scale(amplitude: float) -> None:
    sound = describe(sine(1000, amplitude))
    assert sound.peak_dbfs == pytest.approx(20 * np.log10(amplitude), abs=0.1)
    assert sound.rms_dbfs == pytest.approx(20 * np.log10(amplitude / np.sqrt(2)), abs=0.1)


def test_level_changes_neither_centroid_nor_duration() -> None:
    loud, soft = describe(sine(700, 0.9)), describe(sine(700, 0.01))
    assert loud.spectral_centroid_hz == pytest.approx(soft.spectral_centroid_hz, rel=1e-3)
    assert loud.active_duration_s == soft.active_duration_s == 4.0


def test_active_duration_is_the_time_that_sounds() -> None:
    audio = sine(500)
    audio[16_000:] *= 1e-3  # 60 dB down after the first second
    assert describe(audio).active_duration_s == pytest.approx(1.0, abs=0.02)


def test_one_click_is_finite() -> None:
    audio = np.zeros(nsynth.NOTE_SAMPLES, np.float32)
    audio[100] = 2.0**-15
    assert np.isfinite(describe(audio)).all()
    assert describe(audio).active_duration_s == pytest.approx(0.01)

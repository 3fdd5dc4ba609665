import librosa
import numpy as np
import pytest
import tensorflow as tf

import nsynth
from transform import log_mel as front_end
from transform import mel
from transform.options import SpectrogramOptions

pytestmark = pytest.mark.slow

OPTIONS = SpectrogramOptions()
VARIANTS = [
    OPTIONS,
    SpectrogramOptions(n_fft=2048, hop_length=512, n_mels=64, fmin_hz=60, fmax_hz=7_000),
    SpectrogramOptions(n_fft=512, hop_length=200, n_mels=40, top_db=0),
    SpectrogramOptions(n_mels=1),
]
SECONDS = np.arange(nsynth.NOTE_SAMPLES) / nsynth.SAMPLE_RATE_HZ


def sine(hz: float, peak: float = 1.0) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hz * SECONDS)).astype(np.float32)


def noise(notes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (notes, nsynth.NOTE_SAMPLES)).astype(np.float32)


def log_mel(audio: np.ndarray, options: SpectrogramOptions = OPTIONS) -> np.ndarray:
    return front_end.log_mel(tf.constant(np.atleast_2d(audio)), options).numpy()


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_mel_matrix_is_librosas_htk_without_area_norm(options: SpectrogramOptions):
    reference = librosa.filters.mel(
        sr=nsynth.SAMPLE_RATE_HZ, n_fft=options.n_fft, n_mels=options.n_mels,
        fmin=options.fmin_hz, fmax=options.fmax_hz, htk=True, norm=None,
    )  # fmt: skip
    np.testing.assert_allclose(mel.mel_matrix(options), reference.T, atol=1e-6)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_log_mel_agrees_with_librosa(options: SpectrogramOptions):
    """Within 1e-3 nepers of power (0.004 dB) of librosa's float64 result, wherever there is sound."""
    audio = np.stack([sine(440, 0.5) + noise(1)[0] * 0.01, noise(1, seed=1)[0]]).astype(np.float32)
    hann = librosa.filters.get_window("hann", options.n_fft)
    power = librosa.feature.melspectrogram(
        y=np.pad(audio.astype(np.float64), [(0, 0), options.padding]), sr=nsynth.SAMPLE_RATE_HZ,
        n_fft=options.n_fft, hop_length=options.hop_length, center=False, window="hann", power=2.0,
        n_mels=options.n_mels, fmin=options.fmin_hz, fmax=options.fmax_hz, htk=True, norm=None,
        dtype=np.float64,
    ) * (2 / hann.sum()) ** 2  # fmt: skip
    loudest = power.max(axis=(1, 2), keepdims=True)
    floor = np.maximum(options.floor_power, loudest * options.relative_floor)
    expected = np.log(np.maximum(power, floor)).swapaxes(1, 2)
    result = log_mel(audio, options)
    assert result.shape == (2, options.frames, options.n_mels)
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_power_spectrogram_agrees_with_numpy():
    audio = noise(2)
    padded = np.pad(audio.astype(np.float64), [(0, 0), OPTIONS.padding])
    frames = np.lib.stride_tricks.sliding_window_view(padded, OPTIONS.n_fft, axis=1)[:, :: OPTIONS.hop_length]
    expected = np.abs(np.fft.rfft(frames * mel.window(OPTIONS))) ** 2
    result = front_end.power_spectrogram(tf.constant(audio), OPTIONS).numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_numpy_has_the_same(options: SpectrogramOptions):
    audio = sine(440, 0.5) + noise(1)[0] * 0.01
    np.testing.assert_allclose(mel.log_mel(audio, options), log_mel(audio, options)[0], atol=1e-3)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_grouped_bands_equal_the_whole_matrix(options: SpectrogramOptions):
    power = np.random.default_rng(3).random((2, options.frames, options.bins), np.float32)
    result = front_end.mel_power(tf.constant(power), options).numpy()
    np.testing.assert_allclose(result, power @ mel.mel_matrix(options), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hz", [110, 440, 1_000, 2_500, 5_000, 7_500])
def test_a_pure_tone_peaks_in_its_band_at_its_level(hz: float):
    centres = mel.mel_to_hz(
        np.linspace(mel.hz_to_mel(OPTIONS.fmin_hz), mel.hz_to_mel(OPTIONS.fmax_hz), OPTIONS.n_mels + 2)
    )[1:-1]
    middle = log_mel(sine(hz, peak=0.1))[0, 100:150]
    nearest = np.abs(centres - hz).argmin()
    assert np.abs(middle.argmax(axis=1) - nearest).max() <= 1
    level_db = 10 / np.log(10) * middle.max()
    assert (
        -24 < level_db < -16
    )  # a sine of -20 dBFS; scalloping, band slope and overlapping bins move it a little


def test_a_tone_rises_in_the_frame_where_it_starts():
    start = 100 * OPTIONS.hop_length
    audio = np.where(np.arange(nsynth.NOTE_SAMPLES) >= start, sine(1_000), 0).astype(np.float32)
    loudness = log_mel(audio)[0].max(axis=1)
    half = OPTIONS.n_fft // (2 * OPTIONS.hop_length)  # frames on either side of the edge hold a part of it
    floor = loudness.max() - OPTIONS.top_db * np.log(10) / 10
    np.testing.assert_allclose(loudness[: 100 - half], floor, rtol=1e-6)
    assert loudness[99 + half :].min() > np.log(0.1)


@pytest.mark.parametrize("peak", [1.0, 0.1, 0.01])
def test_the_floor_follows_the_loudest_bin_of_each_note(peak: float):
    """Decibels from the loudest bin to the floor: top_db, or what the absolute floor leaves of it."""
    together = log_mel(np.stack([sine(1_000, peak), sine(440)]))
    depth_db = (together[0].max() - together[0].min()) * 10 / np.log(10)
    assert depth_db == pytest.approx(min(OPTIONS.top_db, 100 + 20 * np.log10(peak)), abs=1.5)


def test_noise_below_the_relative_floor_is_not_seen():
    tone = sine(1_000, 0.5)
    hiss = 1e-4 * noise(1)[0]  # each band some 90 dB below the tone
    np.testing.assert_allclose(log_mel(tone + hiss), log_mel(tone), atol=0.05)
    deep = OPTIONS.model_copy(update={"top_db": 0})
    assert np.abs(log_mel(tone + hiss, deep) - log_mel(tone, deep)).max() > 1


def test_silence_is_the_floor_everywhere():
    np.testing.assert_allclose(log_mel(np.zeros(nsynth.NOTE_SAMPLES, np.float32)), np.log(1e-10), rtol=1e-6)


@pytest.mark.parametrize(
    "audio",
    [
        np.ones(nsynth.NOTE_SAMPLES, np.float32),
        np.sign(sine(1_000)),
        np.eye(1, nsynth.NOTE_SAMPLES, 0, np.float32)[0],
        np.eye(1, nsynth.NOTE_SAMPLES, 32_000, np.float32)[0],
        np.eye(1, nsynth.NOTE_SAMPLES, nsynth.NOTE_SAMPLES - 1, np.float32)[0],
        np.full(nsynth.NOTE_SAMPLES, 1e-30, np.float32),
    ],
    ids=["full scale", "square wave", "first sample", "middle sample", "last sample", "denormal power"],
)
def test_extremes_stay_finite_and_above_the_floor(audio: np.ndarray):
    result = log_mel(audio)
    assert np.isfinite(result).all()
    assert result.min() >= np.log(OPTIONS.floor_power) * (1 + 1e-6)


def test_an_impulse_reaches_only_the_frames_that_hold_it():
    impulse = np.eye(1, nsynth.NOTE_SAMPLES, 32_000, np.float32)[0]
    heard = np.flatnonzero(log_mel(impulse)[0].max(axis=1) > np.log(OPTIONS.floor_power) + 1)
    centres = (heard + 0.5) * OPTIONS.hop_length
    assert len(heard) >= 3
    assert np.abs(centres - 32_000).max() <= OPTIONS.n_fft / 2


def test_a_note_alone_is_the_same_as_in_a_batch():
    audio = noise(7)
    together = log_mel(audio)
    alone = np.concatenate([log_mel(note) for note in audio])
    np.testing.assert_allclose(together, alone, atol=1e-5)

"""The preprocessing_fn under stock TensorFlow Transform."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

import nsynth
from transform import features, preprocessing
from transform.log_mel import log_mel
from transform.options import SpectrogramOptions

pytestmark = pytest.mark.slow

OPTIONS = SpectrogramOptions(
    n_mels=32, hop_length=1024, top_db=0
)  # so that empty bins do not follow the loudest one
SPEC = {
    nsynth.AUDIO: tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32),
    **{
        name: tf.io.FixedLenFeature([], tf.int64)
        for name in (nsynth.FAMILY, nsynth.SOURCE, nsynth.PITCH, nsynth.VELOCITY)
    },
    **{name: tf.io.FixedLenFeature([], tf.string) for name in (nsynth.INSTRUMENT_STR, nsynth.NOTE_STR)},
}


def raw_note(audio: np.ndarray, number: int) -> dict:
    return {
        nsynth.AUDIO: audio,
        nsynth.FAMILY: number % 11,
        nsynth.SOURCE: number % 3,
        nsynth.PITCH: 40 + number,
        nsynth.VELOCITY: 100,
        nsynth.INSTRUMENT_STR: f"bass_acoustic_{number:03}".encode(),
        nsynth.NOTE_STR: f"bass_acoustic_{number:03}-{40 + number:03}-100".encode(),
    }


def low_notes(count: int) -> np.ndarray:
    """Tones below 1 kHz of several levels: the bins far above them stay on the floor."""
    rng = np.random.default_rng(5)
    seconds = np.arange(nsynth.NOTE_SAMPLES) / nsynth.SAMPLE_RATE_HZ
    fade = np.hanning(nsynth.NOTE_SAMPLES)
    tones = np.sin(2 * np.pi * rng.uniform(50, 1_000, (count, 1)) * seconds)
    return (rng.uniform(0.01, 1, (count, 1)) * fade * tones).astype(np.float32)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory):
    """Transform graph analysed over eight notes, those notes, and what TFT made of them."""
    audio = low_notes(8)
    folder = tmp_path_factory.mktemp("transform_graph")
    metadata = tft.DatasetMetadata.from_feature_spec(SPEC)
    notes = [raw_note(a, i) for i, a in enumerate(audio)]
    config = {"spectrogram": OPTIONS.model_dump()}
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        (data, _), transform_fn = (notes, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing.preprocessing_fn(inputs, config)
        )
        transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    return tft.TFTransformOutput(str(folder / "graph")), audio, data


def apply(graph: tft.TFTransformOutput, audio: np.ndarray) -> np.ndarray:
    return graph.transform_features_layer()({nsynth.AUDIO: tf.constant(audio)})[features.LOG_MEL].numpy()


def test_train_bins_get_zero_mean_and_unit_deviation_unless_they_are_constant(analysed):
    graph, audio, _ = analysed
    raw = log_mel(tf.constant(audio), OPTIONS).numpy()
    result = apply(graph, audio)
    moving = raw.std(axis=(0, 1)) > preprocessing.MIN_DEVIATION
    assert 0 < moving.sum() < OPTIONS.n_mels  # the data has both kinds
    np.testing.assert_allclose(result.mean(axis=(0, 1)), 0, atol=2e-3)
    np.testing.assert_allclose(result.std(axis=(0, 1))[moving], 1, atol=1e-3)


def test_normalization_is_numpys_by_the_trains_moments(analysed):
    graph, audio, _ = analysed
    train = log_mel(tf.constant(audio), OPTIONS).numpy().astype(np.float64)
    other = low_notes(11)[8:]
    raw = log_mel(tf.constant(other), OPTIONS).numpy()
    deviation = np.maximum(train.std(axis=(0, 1)), preprocessing.MIN_DEVIATION)
    np.testing.assert_allclose(apply(graph, other), (raw - train.mean(axis=(0, 1))) / deviation, atol=5e-3)


def test_sound_in_a_bin_that_was_silent_in_train_stays_storable(analysed):
    graph, _, _ = analysed
    loud = np.random.default_rng(0).choice([-1.0, 1.0], (1, nsynth.NOTE_SAMPLES)).astype(np.float32)
    result = apply(graph, loud)
    assert np.isfinite(result.astype(np.float16)).all()


def test_labels_and_slices_travel_along(analysed):
    _, audio, data = analysed
    assert len(data) == len(audio)
    expected = raw_note(audio[3], 3)
    assert data[3][features.LABEL_ID] == expected[nsynth.FAMILY]
    assert data[3][features.OPTIONAL["source"]] == expected[nsynth.SOURCE]
    assert data[3][features.OPTIONAL["pitch"]] == expected[nsynth.PITCH]
    assert data[3][features.OPTIONAL["velocity"]] == expected[nsynth.VELOCITY]
    assert data[3][features.GROUP] == expected[nsynth.INSTRUMENT_STR]
    assert data[3][features.NOTE] == expected[nsynth.NOTE_STR]


def test_serving_needs_only_the_audio_and_gives_what_was_materialized(analysed):
    graph, audio, data = analysed
    materialized = np.stack([note[features.LOG_MEL] for note in data])
    np.testing.assert_allclose(apply(graph, audio), materialized, atol=1e-5)

"""run_fn on a real Transform graph: trains, exports, and the exported model answers as the training path does."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import metadata_io

import nsynth
from trainer import export, run, variations
from trainer.model import build
from trainer.options import AugmentOptions, RecipeOptions
from transform import codec, features, preprocessing
from transform.options import SpectrogramOptions

pytestmark = pytest.mark.slow

SPECTROGRAM = SpectrogramOptions(n_mels=32, hop_length=1024)
SPLITS = {"dev_fraction": 0.1, "valid_fraction": 0.1, "test_fraction": 0.1}
NOTES = 24
SPEC = {
    nsynth.AUDIO: tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32),
    **{
        name: tf.io.FixedLenFeature([], tf.int64)
        for name in (nsynth.FAMILY, nsynth.SOURCE, nsynth.PITCH, nsynth.VELOCITY)
    },
    **{name: tf.io.FixedLenFeature([], tf.string) for name in (nsynth.INSTRUMENT_STR, nsynth.NOTE_STR)},
}


def raw_notes() -> list[dict]:
    """Decaying tones, three to an instrument, sorted by family."""
    rng = np.random.default_rng(3)
    seconds = np.arange(nsynth.NOTE_SAMPLES) / nsynth.SAMPLE_RATE_HZ
    notes = []
    for number in range(NOTES):
        family = number * 11 // NOTES
        hertz = rng.uniform(100, 4000)
        audio = 0.5 * np.sin(2 * np.pi * hertz * seconds) * np.exp(-seconds * rng.uniform(0.5, 3))
        name = f"{nsynth.FAMILIES[family]}_acoustic_{number // 3:03}".encode()
        notes.append(
            {
                nsynth.AUDIO: audio.astype(np.float32),
                nsynth.FAMILY: family,
                nsynth.SOURCE: number % 3,
                nsynth.PITCH: 40 + number,
                nsynth.VELOCITY: 100,
                nsynth.INSTRUMENT_STR: name,
                nsynth.NOTE_STR: name + f"-{40 + number:03}-100".encode(),
            }
        )
    return notes


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[Path, list[dict]]:
    """A folder with Transform's graph and the transformed notes as both train and dev; and the raw notes."""
    folder = tmp_path_factory.mktemp("prepared")
    metadata = tft.DatasetMetadata.from_feature_spec(SPEC)
    config = {"spectrogram": SPECTROGRAM.model_dump()}
    notes = raw_notes()
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        (transformed, _), transform_fn = (notes, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing.preprocessing_fn(inputs, config)
        )
        transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(metadata, str(folder / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR))
    for split in ("train", "dev"):
        (folder / split).mkdir()
        shard = folder / split / "transformed_examples-00000-of-00001"
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for note in transformed:
                writer.write(codec.encode(note))
    return folder, notes


def fn_args(folder: Path, output: Path, recipe: RecipeOptions, **more) -> SimpleNamespace:
    given = {
        "train_files": [f"{folder}/train/*"],
        "eval_files": [f"{folder}/dev/*"],
        "transform_graph_path": str(folder / "graph"),
        "serving_model_dir": str(output / "Format-Serving"),
        "model_run_dir": str(output / "run"),
        "base_model": None,
        "hyperparameters": None,
        "custom_config": {
            "recipe": recipe.model_dump(mode="json"),
            "spectrogram": SPECTROGRAM.model_dump(mode="json"),
            "splits": SPLITS,
            "code": "abc",
            "checkpoint_dir": str(output / "checkpoints"),
        },
    }
    return SimpleNamespace(**(given | more))


@pytest.fixture(scope="module")
def exported(prepared, tmp_path_factory) -> Path:
    """Folder of a finished training: Format-Serving and run."""
    output = tmp_path_factory.mktemp("exported")
    run.run_fn(fn_args(prepared[0], output, RecipeOptions(size="tiny", epochs=2, batch_size=8)))
    return output


@pytest.fixture(scope="module")
def training_path(prepared, exported) -> np.ndarray:
    """Probabilities by the stored notes and a network rebuilt from the stored weights: no serving code."""
    network = build(RecipeOptions(size="tiny"), SPECTROGRAM.n_mels)
    network.load_weights(exported / "Format-Serving" / export.WEIGHTS)
    shard = str(prepared[0] / "train" / "transformed_examples-00000-of-00001")
    stored = next(iter(tf.data.TFRecordDataset(shard).batch(NOTES)))
    return network.predict(codec.parse_batch(stored, SPECTROGRAM)[features.LOG_MEL], verbose=0)


def serialized(note: dict, *names: str) -> bytes:
    example = tf.train.Example()
    for name in names or note:
        value, feature = note[name], example.features.feature[name]
        if name == nsynth.AUDIO:
            feature.float_list.value.extend(value)
        elif isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return example.SerializeToString()


def signature(exported: Path, name: str):
    loaded = tf.saved_model.load(str(exported / "Format-Serving"))
    return lambda **inputs: loaded.signatures[name](**inputs)


def test_examples_waveforms_and_the_training_path_get_the_same_answer(prepared, exported, training_path):
    notes = prepared[1]
    by_example = signature(exported, "serving_default")(examples=tf.constant([serialized(n) for n in notes]))
    waveforms = tf.constant(np.stack([note[nsynth.AUDIO] for note in notes]))
    by_waveform = signature(exported, "serving_waveform")(audio=waveforms)
    np.testing.assert_array_equal(by_example["probabilities"], by_waveform["probabilities"])
    # Stored notes are rounded to half precision, which is all the difference there may be.
    np.testing.assert_allclose(by_example["probabilities"], training_path, atol=2e-3)
    assert np.ptp(training_path, axis=0).max() > 0.01  # the notes are told apart: equality is not trivial


def test_the_answer_names_the_likeliest_family(prepared, exported):
    answer = signature(exported, "serving_default")(
        examples=tf.constant([serialized(n) for n in prepared[1]])
    )
    ids = answer["family_id"].numpy()
    np.testing.assert_array_equal(ids, answer["probabilities"].numpy().argmax(axis=1))
    assert [name.decode() for name in answer["family"].numpy()] == [nsynth.FAMILIES[i] for i in ids]
    np.testing.assert_allclose(answer["probabilities"].numpy().sum(axis=1), 1, atol=1e-5)


def test_it_is_loaded_as_a_model_server_loads_it(prepared, exported):
    """By name in a session, as TensorFlow Serving does; tf.saved_model.load goes by objects and forgives more."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    waveforms = np.stack([note[nsynth.AUDIO] for note in prepared[1]])
    with session, session.graph.as_default():
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(exported / "Format-Serving"))
        definition = loaded.signature_def["serving_waveform"]
        fetched = {name: info.name for name, info in definition.outputs.items()}
        found = session.run(fetched, {definition.inputs[nsynth.AUDIO].name: waveforms})
    expected = signature(exported, "serving_waveform")(audio=tf.constant(waveforms))
    assert set(found) == set(expected)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-5)
    np.testing.assert_allclose(found["novelty"], expected["novelty"], rtol=1e-4)


def test_novelty_is_one_more_output_of_both_signatures(prepared, exported):
    """The notes were train and dev in one: some 5 % of them are above 1, and noise is."""
    notes = prepared[1]
    waveforms = np.stack([note[nsynth.AUDIO] for note in notes])
    found = signature(exported, "serving_waveform")(audio=tf.constant(waveforms))["novelty"].numpy()
    again = signature(exported, "serving_default")(examples=tf.constant([serialized(n) for n in notes]))
    np.testing.assert_allclose(found, again["novelty"], rtol=1e-5)
    assert (found > 1.01).sum() <= 2
    assert found.max() == pytest.approx(1, abs=0.3)
    noise = np.random.default_rng(0).uniform(-1, 1, (4, nsynth.NOTE_SAMPLES)).astype(np.float32)
    assert (signature(exported, "serving_waveform")(audio=tf.constant(noise))["novelty"].numpy() > 1).all()
    told = json.loads((exported / "Format-Serving" / export.RECIPE).read_text())["novelty"]
    assert told == {"false_alarms": 0.05, "dev_notes": NOTES}


def test_an_example_with_audio_alone_is_answered(prepared, exported):
    serve = signature(exported, "serving_default")
    full, bare = serialized(prepared[1][0]), serialized(prepared[1][0], nsynth.AUDIO)
    answer = serve(examples=tf.constant([full, bare]))["probabilities"].numpy()
    np.testing.assert_allclose(answer[0], answer[1], atol=1e-6)


def test_transform_features_gives_what_the_network_was_trained_on(prepared, exported):
    folder, notes = prepared
    given = signature(exported, "transform_features")(examples=tf.constant([serialized(n) for n in notes]))
    shard = str(folder / "train" / "transformed_examples-00000-of-00001")
    stored = codec.parse_batch(next(iter(tf.data.TFRecordDataset(shard).batch(NOTES))), SPECTROGRAM)
    assert set(given) == set(stored)
    np.testing.assert_allclose(given[features.LOG_MEL], stored[features.LOG_MEL], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(given[features.LABEL_ID], stored[features.LABEL_ID])


def test_warmup_requests_can_be_answered_by_the_model(exported):
    from tensorflow_serving.apis import prediction_log_pb2

    loaded = tf.saved_model.load(str(exported / "Format-Serving"))
    asked = []
    for record in tf.data.TFRecordDataset(str(exported / "Format-Serving" / export.WARMUP)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        answer = loaded.signatures[request.model_spec.signature_name](**inputs)
        asked.append((request.model_spec.signature_name, len(answer["probabilities"])))
    assert asked == [(name, batch) for batch in (1, 8) for name in ("serving_default", "serving_waveform")]


def test_history_tells_each_epoch_and_the_cost_of_the_network(exported):
    told = json.loads((exported / "run" / run.HISTORY).read_text())
    assert [row["epoch"] for row in told["epochs"]] == [1, 2]
    assert told["parameters"] == build(RecipeOptions(size="tiny"), 32).count_params()
    assert {"loss", "accuracy", "dev_loss", "dev_accuracy", "learning_rate", "seconds"} <= set(
        told["epochs"][0]
    )
    assert list((exported / "run" / run.TENSORBOARD).rglob("events.out.tfevents.*"))


def test_what_the_variations_make_of_a_note_is_kept(exported):
    with np.load(exported / "run" / variations.FILE) as kept:
        arrays = dict(kept)
    assert str(arrays.pop("note")).startswith(tuple(nsynth.FAMILIES))
    on = {name for name, strength in RecipeOptions(size="tiny").augment if strength}
    assert set(arrays) == {"original", *on, *variations.TOGETHER}
    original = arrays.pop("original")
    assert {values.shape for values in arrays.values()} == {(SPECTROGRAM.frames, SPECTROGRAM.n_mels)}
    assert all(np.abs(values - original).max() > 0.01 for values in arrays.values())


def test_a_recipe_without_variations_keeps_none(tmp_path):
    file = tmp_path / "run" / variations.FILE
    variations.write_variations([], AugmentOptions.off(), SPECTROGRAM, file)
    assert not file.exists()


def test_no_checkpoint_and_no_unfinished_model_stay_behind(exported):
    assert not list((exported / "checkpoints").iterdir())
    assert [path.name for path in exported.iterdir() if path.name.startswith(".")] == []


def test_a_champion_of_the_same_network_is_where_training_starts(prepared, exported, tmp_path, caplog):
    caplog.set_level("INFO", "trainer")
    champion = exported / "Format-Serving"
    # A rate of next to nothing: the weights stay where they started.
    still = RecipeOptions(size="tiny", epochs=1, batch_size=8, learning_rate=1e-12, ema_momentum=0)
    run.run_fn(fn_args(prepared[0], tmp_path, still, base_model=str(champion)))
    assert "starting from the champion's weights" in caplog.text
    before, after = (build(still, SPECTROGRAM.n_mels) for _ in range(2))
    before.load_weights(champion / export.WEIGHTS)
    after.load_weights(tmp_path / "Format-Serving" / export.WEIGHTS)
    for a, b in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "spectrogram", "splits", "says"),
    [
        (RecipeOptions(size="small"), SPECTROGRAM, SPLITS, "differ"),
        (RecipeOptions(size="tiny"), SpectrogramOptions(n_mels=64), SPLITS, "differ"),
        (RecipeOptions(size="tiny"), SPECTROGRAM, {**SPLITS, "dev_fraction": 0.2}, "differ"),
        (RecipeOptions(size="tiny", warm_start=False), SPECTROGRAM, SPLITS, "warm_start is off"),
    ],
)
def test_a_champion_that_does_not_fit_is_not_started_from(
    exported, recipe, spectrogram, splits, says, caplog
):
    caplog.set_level("INFO", "trainer")
    assert export.start_weights(exported / "Format-Serving", recipe, spectrogram, splits) is None
    assert says in caplog.text


@pytest.mark.parametrize("damage", ["another network", "cut short"])
def test_weights_that_do_not_fit_are_not_started_from(exported, damage, tmp_path, caplog):
    caplog.set_level("INFO", "trainer")
    champion = shutil.copytree(exported / "Format-Serving", tmp_path / "champion")
    if damage == "cut short":
        os.truncate(champion / export.WEIGHTS, 1000)
    else:  # as an earlier version of the code may have laid out a network of the same name
        build(RecipeOptions(size="tiny"), n_mels=64).save_weights(champion / export.WEIGHTS)
    assert export.start_weights(champion, RecipeOptions(size="tiny"), SPECTROGRAM, SPLITS) is None
    assert "do not fit" in caplog.text


def test_a_champion_without_weights_is_not_started_from(tmp_path, caplog):
    caplog.set_level("INFO", "trainer")
    assert export.start_weights(tmp_path, RecipeOptions(), SPECTROGRAM, SPLITS) is None
    assert "contains no weights" in caplog.text


@pytest.mark.parametrize("champion", [None, "Format-Serving"])
def test_a_training_without_a_champion_says_that_it_starts_fresh(champion, tmp_path, caplog):
    caplog.set_level("INFO", "trainer")
    path = champion and tmp_path / champion
    assert export.start_weights(path, RecipeOptions(), SPECTROGRAM, SPLITS) is None
    assert "there is no champion" in caplog.text


def test_a_student_learns_from_exported_teachers(prepared, exported, tmp_path, caplog):
    caplog.set_level("INFO", "trainer")
    teacher = str(exported / "Format-Serving")
    recipe = RecipeOptions(size="tiny", epochs=1, batch_size=8, seed=1, distill=(teacher, teacher))
    run.run_fn(fn_args(prepared[0], tmp_path, recipe))
    assert f"2 teachers answer {NOTES} notes" in caplog.text
    described = json.loads((tmp_path / "Format-Serving" / export.RECIPE).read_text())
    assert described["recipe"]["distill"] == [teacher, teacher]


@pytest.mark.parametrize("fault", ["nothing", "options", "normalization"])
def test_a_teacher_that_does_not_fit_is_refused(prepared, exported, fault, tmp_path):
    """A network that hears normalized spectrograms of other data would teach nonsense."""
    teacher = tmp_path / "teacher"
    if fault != "nothing":
        shutil.copytree(exported / "Format-Serving", teacher)
    if fault == "options":
        described = json.loads((teacher / export.RECIPE).read_text())
        described["spectrogram"]["top_db"] = 0
        (teacher / export.RECIPE).write_text(json.dumps(described))
    if fault == "normalization":  # then its network answers the same spectrogram otherwise
        build(RecipeOptions(size="tiny"), SPECTROGRAM.n_mels).save_weights(teacher / export.WEIGHTS)
    recipe = RecipeOptions(size="tiny", epochs=1, batch_size=8, distill=(str(teacher),))
    says = "is not a model exported" if fault == "nothing" else "was trained on other spectrograms"
    with pytest.raises(nsynth.UserError, match=says):
        run.run_fn(fn_args(prepared[0], tmp_path, recipe))

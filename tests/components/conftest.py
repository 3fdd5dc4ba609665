"""Small real things for the tests of trust: notes with a timbre per family, and classifiers fitted on them."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nsynth
from components import storage, tfrecord
from components.documents.models import AnsweringModels, CandidateArtifact, ChampionArtifact
from components.example_proto import serialize
from components.predictions import Predictions

BANDS = 32
CLASSES = len(nsynth.FAMILIES)


@dataclass(frozen=True)
class Note:
    """What a test needs of a note."""

    family: int
    source: int
    number: int  # of the instrument
    pitch: int
    velocity: int
    audio: np.ndarray

    @property
    def instrument(self) -> str:
        return f"{nsynth.FAMILIES[self.family]}_{nsynth.SOURCES[self.source]}_{self.number:03}"


def make_notes(families: range, instruments: range, pitches: tuple[int, ...] = (40, 60, 80)) -> list[Note]:
    """A note per family, instrument and pitch: noise, loud in the family's band, with the instrument's colour."""
    notes = []
    for family in families:
        for number in instruments:
            rng = np.random.default_rng([family, number])
            colour = rng.uniform(0.3, 1.0, BANDS) * 0.05
            colour[2 * family : 2 * family + 3] += rng.uniform(0.5, 1.0, 3)
            for index, pitch in enumerate(pitches):
                spectrum = np.repeat(colour, nsynth.NOTE_SAMPLES // 2 // BANDS)
                phases = np.exp(2j * np.pi * rng.uniform(size=spectrum.size))
                audio = np.fft.irfft(np.append(spectrum * phases, 0), nsynth.NOTE_SAMPLES)
                audio = (0.5 * audio / np.abs(audio).max()).astype(np.float32)
                notes.append(Note(family, family % 3, number, pitch, (25, 75, 127)[index % 3], audio))
    return notes


def band_levels(audio):
    """Mean log power in equally wide bands: float32 [batch, BANDS], as a TensorFlow op."""
    import tensorflow as tf

    power = tf.abs(tf.signal.rfft(audio))[:, :-1] ** 2
    return tf.math.log(
        tf.reduce_mean(tf.reshape(power, [-1, BANDS, nsynth.NOTE_SAMPLES // 2 // BANDS]), -1) + 1e-6
    )


def fit(notes: list[Note], labels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Really trains multinomial logistic regression; weights [BANDS, classes] and bias [classes]."""
    from sklearn.linear_model import LogisticRegression

    features = band_levels(np.stack([note.audio for note in notes])).numpy()
    labels = np.array([note.family for note in notes]) if labels is None else labels
    fitted = LogisticRegression(max_iter=300).fit(features, labels)
    weights, bias = np.zeros((BANDS, CLASSES), np.float32), np.full(CLASSES, -20, np.float32)
    weights[:, fitted.classes_], bias[fitted.classes_] = fitted.coef_.T, fitted.intercept_
    return weights, bias


def save_model(folder: Path, weights: np.ndarray, bias: np.ndarray, novelty: bool = False) -> None:
    """Exports a classifier with the signatures of the Trainer's models.

    With `novelty` it has that output too: a sound is unlike the others if its peak is above 0.6.
    """
    import tensorflow as tf

    class Serving(tf.Module):
        def __init__(self):
            self.weights, self.bias = tf.Variable(weights), tf.Variable(bias)
            self.names = tf.constant(nsynth.FAMILIES)

        def answer(self, audio):
            probabilities = tf.nn.softmax(band_levels(audio) @ self.weights + self.bias)
            top = tf.argmax(probabilities, -1)
            answer = {"probabilities": probabilities, "family": tf.gather(self.names, top), "family_id": top}
            return answer | ({"novelty": tf.reduce_max(tf.abs(audio), -1) / 0.6} if novelty else {})

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def serving_default(self, examples):
            spec = {nsynth.AUDIO: tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)}
            return self.answer(tf.io.parse_example(examples, spec)[nsynth.AUDIO])

        @tf.function(input_signature=[tf.TensorSpec([None, nsynth.NOTE_SAMPLES], tf.float32, "audio")])
        def serving_waveform(self, audio):
            return self.answer(audio)

    module = Serving()
    signatures = {"serving_default": module.serving_default, "serving_waveform": module.serving_waveform}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    write_warmup_requests(folder / "assets.extra" / "tf_serving_warmup_requests")


def write_warmup_requests(
    path: Path, signature: str = "serving_waveform", samples: int = nsynth.NOTE_SAMPLES
) -> None:
    """One silent note."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    silence = tf.make_tensor_proto(np.zeros((1, samples), np.float32))
    log.predict_log.request.inputs[nsynth.AUDIO].CopyFrom(silence)
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def write_notes(path: Path, notes: list[Note]) -> None:
    """Writes NSynth's 14 features per note into one TFRecord."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(tfrecord.frame(serialize(_features(i, note))) for i, note in enumerate(notes)))


def _features(index: int, note: Note) -> dict[str, Any]:
    return {
        nsynth.NOTE: index,
        nsynth.NOTE_STR: f"{note.instrument}-{note.pitch:03}-{note.velocity:03}",
        nsynth.INSTRUMENT: note.number,
        nsynth.INSTRUMENT_STR: note.instrument,
        nsynth.PITCH: note.pitch,
        nsynth.VELOCITY: note.velocity,
        nsynth.SAMPLE_RATE: nsynth.SAMPLE_RATE_HZ,
        nsynth.AUDIO: note.audio,
        nsynth.QUALITIES_KEY: [0] * len(nsynth.QUALITIES),
        nsynth.QUALITIES_STR: [],
        nsynth.FAMILY: note.family,
        nsynth.FAMILY_STR: nsynth.FAMILIES[note.family],
        nsynth.SOURCE: note.source,
        nsynth.SOURCE_STR: nsynth.SOURCES[note.source],
    }


def predictions_of(
    notes: list[Note], candidate: np.ndarray, champion: np.ndarray | None = None
) -> Predictions:
    """What models answered to notes, by hand: float [notes, classes]."""
    return Predictions(
        note_str=np.array([f"{n.instrument}-{n.pitch:03}-{n.velocity:03}" for n in notes]),
        instrument_str=np.array([n.instrument for n in notes]),
        family=np.array([n.family for n in notes]),
        attributes={
            name: np.array([getattr(n, name) for n in notes]) for name in ("source", "pitch", "velocity")
        },
        candidate=candidate.astype(np.float32),
        champion=np.zeros((0, CLASSES), np.float32) if champion is None else champion.astype(np.float32),
    )


def write_predictions(folder: str | Path, predictions: Predictions, **models: str) -> None:
    """As Predictor leaves them; `models` are digests by the names `candidate` and `champion`."""
    storage.write_bytes(
        f"{folder}/Split-valid/predictions-00000-of-00001",
        b"".join(map(tfrecord.frame, predictions.records())),
    )
    candidate = CandidateArtifact(digest=models.get("candidate", ""))
    champion = ChampionArtifact(digest=models.get("champion", ""))
    AnsweringModels(notes=len(predictions), candidate=candidate, champion=champion).write(folder)


def make_artifact(kind: str, uri: Path, **custom):
    """A TFX artifact of a standard type at `uri`, with integer or string custom properties."""
    from tfx.types import standard_artifacts

    artifact = getattr(standard_artifacts, kind)()
    artifact.uri, artifact.id = str(uri), 7
    for name, value in custom.items():
        setter = (
            artifact.set_int_custom_property
            if isinstance(value, int)
            else artifact.set_string_custom_property
        )
        setter(name, value)
    uri.mkdir(parents=True, exist_ok=True)
    return artifact


@pytest.fixture(scope="session")
def train_notes() -> list[Note]:
    """Notes of instruments that the judged notes do not have."""
    return make_notes(range(CLASSES), range(0, 4))


@pytest.fixture(scope="session")
def valid_notes() -> list[Note]:
    return make_notes(range(CLASSES), range(10, 14))


@pytest.fixture(scope="session")
def good_model(tmp_path_factory: pytest.TempPathFactory, train_notes: list[Note]) -> Path:
    """Artifact folder of a classifier fitted on the right labels."""
    uri = tmp_path_factory.mktemp("good")
    save_model(uri / "Format-Serving", *fit(train_notes))
    return uri


@pytest.fixture(scope="session")
def shuffled_model(tmp_path_factory: pytest.TempPathFactory, train_notes: list[Note]) -> Path:
    """Artifact folder of a classifier fitted on labels in random order."""
    uri = tmp_path_factory.mktemp("shuffled")
    labels = np.random.default_rng(0).permutation([note.family for note in train_notes])
    save_model(uri / "Format-Serving", *fit(train_notes, labels))
    return uri


@pytest.fixture(scope="session")
def confused_model(tmp_path_factory: pytest.TempPathFactory, train_notes: list[Note]) -> Path:
    """Artifact folder of a classifier fitted on labels of which every third is wrong: right most of the time."""
    uri = tmp_path_factory.mktemp("confused")
    labels = [(n.family + (i % 3 == 0) * (1 + n.number)) % CLASSES for i, n in enumerate(train_notes)]
    save_model(uri / "Format-Serving", *fit(train_notes, np.array(labels)))
    return uri


@pytest.fixture(scope="session")
def valid_examples(tmp_path_factory: pytest.TempPathFactory, valid_notes: list[Note]):
    """Examples artifact with the split `valid`."""
    from tfx.components.util import examples_utils
    from tfx.proto import example_gen_pb2

    uri = tmp_path_factory.mktemp("examples")
    write_notes(uri / "Split-valid" / "data_tfrecord-00000-of-00001", valid_notes)
    artifact = make_artifact("Examples", uri)
    artifact.split_names, artifact.span = '["valid"]', 1
    examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
    return artifact


@pytest.fixture
def new_artifact(tmp_path: Path) -> Callable:
    """Makes artifacts below the test's own folder: `new_artifact("Model", "name", blessed=1)`."""
    return lambda kind, name, **custom: make_artifact(kind, tmp_path / name, **custom)


def ask_models(
    new_artifact: Callable, examples: Any, candidate: Path, champion: Path | None
) -> dict[str, Any]:
    """Runs Predictor's executor where `champion` serves as version 5; returns its artifacts and the candidate's."""
    from components.predictor.executor import PredictorExecutor

    outputs = {
        "predictions": new_artifact("Examples", "predictions"),
        "champion": new_artifact("Model", f"champion-{time.monotonic_ns()}"),
    }
    models = Path(f"{outputs['champion'].uri}-served")
    if champion:
        shutil.copytree(champion / "Format-Serving", models / "5")
    model = new_artifact("Model", "candidate")
    model.uri = str(candidate)
    PredictorExecutor().Do(
        {"examples": [examples], "model": [model]},
        {key: [artifact] for key, artifact in outputs.items()},
        {"split": "valid", "code": "", "push_destination": str(models)},
    )
    return {**outputs, "model": model}


@pytest.fixture
def predictor(new_artifact: Callable, valid_examples: Any) -> Callable:
    """Runs Predictor's executor; returns the artifact with the predictions."""

    def run(candidate: Path, champion: Path | None = None, examples: Any = valid_examples) -> Any:
        return ask_models(new_artifact, examples, candidate, champion)["predictions"]

    return run

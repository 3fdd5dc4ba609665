"""The contenders: each learns from a fold's notes and answers with a family for any note."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import nsynth
from benchmarks.study.folds import Fold
from benchmarks.study.notes import IMAGE, Notes, Set
from pipeline.fingerprint import step_fingerprint
from trainer import index
from trainer.checkpoint import Checkpoint
from trainer.distill import mean_answers
from trainer.fit import fit
from trainer.options import AugmentOptions, AuxiliaryOptions, RecipeOptions
from transform import codec, features
from transform.options import SpectrogramOptions
from transform.preprocessing import MIN_DEVIATION

Answer = Callable[[Set], np.ndarray]
"""Notes → the family taken for each, int [notes]."""
Normalize = Callable[[np.ndarray], np.ndarray]

OURS = "ours"
_TREES = 1000
_SVM_C = 10.0
_LOGISTIC_C = 0.001
ANCESTOR_EPOCHS = 4
"""Takes more than twice the processor time of ours, see docs/training.md."""


@dataclass(frozen=True)
class Task:
    """One training.

    Attributes:
      fold: the notes, and which to use for what.
      seed: of the contender.
      recipe: ours.
      spectrogram: options of the log-mel spectrograms.
      folder: for files of this training alone; what it holds lets an interrupted training go on.
      told: what the training tells about itself, for the results.
    """

    fold: Fold
    seed: int
    recipe: RecipeOptions
    spectrogram: SpectrogramOptions
    folder: Path
    told: dict[str, Any] = field(default_factory=dict)


Contender = Callable[[Task], Answer]


def majority(task: Task) -> Answer:
    """Answer the family that most train notes have."""
    most = np.bincount(task.fold.notes.family[task.fold.known]).argmax()
    return lambda asked: np.full(len(asked), most)


def _classical(made: Callable[[int], Any], array: str = "statistics") -> Contender:
    """Return a contender that fits a scikit-learn model, made with a seed, on one of the arrays of Notes."""

    def contender(task: Task) -> Answer:
        notes, known, model = task.fold.notes, task.fold.known, made(task.seed)
        model.fit(getattr(notes, array)[known], notes.family[known])
        return lambda asked: model.predict(getattr(asked.notes, array)[asked.chosen])

    return contender


def _trees(seed: int) -> Any:
    return ExtraTreesClassifier(_TREES, class_weight="balanced", n_jobs=-1, random_state=seed)


def _svm(seed: int) -> Any:
    machine = SVC(C=_SVM_C, class_weight="balanced", random_state=seed)
    return make_pipeline(StandardScaler(), machine)


def _logistic(seed: int) -> Any:
    model = LogisticRegression(C=_LOGISTIC_C, class_weight="balanced", max_iter=500)
    return make_pipeline(StandardScaler(), model)


def ancestor(task: Task) -> Answer:
    """Train the network that this project grew out of by its own recipe; keep the epoch that does best on dev."""
    keras.utils.set_random_seed(task.seed)
    model = keras.Sequential(
        [
            keras.Input((IMAGE, IMAGE, 1)),
            layers.Conv2D(32, 5, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dense(len(nsynth.FAMILIES), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    notes, parts = task.fold.notes, (np.sort(task.fold.train), np.sort(task.fold.dev))
    train, dev = ((np.asarray(notes.image[part], np.float32), notes.family[part]) for part in parts)
    best = keras.callbacks.EarlyStopping(patience=ANCESTOR_EPOCHS, restore_best_weights=True)
    model.fit(*train, validation_data=dev, batch_size=32, epochs=ANCESTOR_EPOCHS, callbacks=[best], verbose=0)

    def answer(asked: Set) -> np.ndarray:
        return model.predict(np.asarray(asked.notes.image[asked.chosen], np.float32), verbose=0).argmax(
            axis=1
        )

    return answer


def ours(task: Task, per_bin: bool = True) -> Answer:
    """Our network, trained by the Trainer's own code on files like Transform's."""
    keras.backend.clear_session()
    network, normalize = trained(task, per_bin)
    return lambda asked: probabilities(network, normalize, asked).argmax(axis=1)


def trained(
    task: Task, per_bin: bool = True, teachers: Sequence[keras.Model] = ()
) -> tuple[keras.Model, Normalize]:
    """Trains our network; the function that comes with it normalizes spectrograms for it."""
    recipe, notes, fold = task.recipe.model_copy(update={"seed": task.seed}), task.fold.notes, task.fold
    normalize = normalizer(notes, fold.train, per_bin)
    train, dev = (
        index.scan([_write_split(notes, part, normalize, task.folder / f"{name}.tfrecord")], task.spectrogram)
        for name, part in (("train", fold.train), ("dev", fold.dev))
    )
    answers = mean_answers(teachers, train, task.spectrogram)
    checkpoint = Checkpoint(
        task.folder,
        recipe=recipe.model_dump(mode="json"),
        code=step_fingerprint("Trainer"),
        train=train.fingerprint,
        dev=dev.fingerprint,
    )
    done = fit(recipe, task.spectrogram, train, dev, checkpoint, answers=answers)
    task.told.update(
        kept_epoch=done.state.kept_epoch,
        parameters=done.parameters,
        multiply_accumulates_per_note=done.macs,
        history=done.state.rows(),
    )
    return done.network, normalize


def probabilities(network: keras.Model, normalize: Normalize, asked: Set) -> np.ndarray:
    """Return what a network of `trained` answers: float32 [notes, classes]."""
    batches = (asked.notes.log_mel[part] for part in _batches(asked.chosen, 64))
    return np.concatenate([network.predict_on_batch(normalize(batch)) for batch in batches])


def normalizer(notes: Notes, train: np.ndarray, per_bin: bool = True) -> Normalize:
    """Return zero mean and unit deviation over the notes at `train`, for each mel bin as in Transform, or over all."""
    sums = squares = np.zeros(1)
    for part in _batches(np.sort(train)):
        batch = np.asarray(notes.log_mel[part], np.float64)
        sums, squares = sums + batch.mean(axis=1).sum(axis=0), squares + (batch**2).mean(axis=1).sum(axis=0)
    mean, square = sums / len(train), squares / len(train)
    if not per_bin:
        mean, square = (np.full_like(values, np.mean(values)) for values in (mean, square))
    deviation = np.maximum(np.sqrt(square - mean**2), MIN_DEVIATION)
    return lambda spectrogram: ((spectrogram - mean) / deviation).astype(np.float32)


def _write_split(notes: Notes, chosen: np.ndarray, normalize: Normalize, file: Path) -> str:
    """Write the notes at `chosen` as Transform does, for the Trainer's own input to read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for batch in _batches(np.sort(chosen)):
            values = {name: notes.labels[raw][batch] for name, raw in features.RAW.items()}
            values[features.LOG_MEL] = normalize(notes.log_mel[batch])
            for record in codec.encode_batch(values):
                writer.write(record)
    return str(file)


def _batches(chosen: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


def _ours_with(**changes: Any) -> Contender:
    def contender(task: Task) -> Answer:
        changed = task.recipe.model_copy(update=changes)
        return ours(Task(**{**vars(task), "recipe": changed}))

    return contender


MAIN: dict[str, Contender] = {
    "majority": majority,
    "ancestor": ancestor,
    "extra-trees": _classical(_trees),
    "svm": _classical(_svm),
    OURS: ours,
}
ABLATIONS: dict[str, Contender] = {
    "ours-without-augmentation": _ours_with(augment=AugmentOptions.off()),
    "ours-without-auxiliary-heads": _ours_with(auxiliary=AuxiliaryOptions(instrument=0, source=0, pitch=0)),
    "ours-without-balanced-sampling": _ours_with(balance=1.0),
    "ours-without-per-bin-normalization": lambda task: ours(task, per_bin=False),
}
FROZEN: dict[str, Contender] = {
    "musicnn, svm": _classical(_svm, "frozen"),
    "musicnn, logistic": _classical(_logistic, "frozen"),
}
"""On features of a network that others trained on music."""
OTHERS = {name: train for name, train in (MAIN | FROZEN).items() if name != OURS}
CONTENDERS = MAIN | ABLATIONS | FROZEN

"""The contenders: each learns from a fold's notes and answers with a family for any note."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import nsynth
from benchmarks.accuracy_data import IMAGE, Normalize, Notes, normalizer, write_split
from benchmarks.accuracy_folds import Fold
from pipeline.fingerprint import step_fingerprint
from trainer import index
from trainer.checkpoint import Checkpoint
from trainer.distill import mean_answers
from trainer.fit import fit
from trainer.options import AugmentOptions, AuxiliaryOptions, RecipeOptions
from transform.options import SpectrogramOptions

Answer = Callable[[Notes, np.ndarray], np.ndarray]
"""Notes and positions among them → the family taken for each, int [positions]."""

_TREES = 1000
_SVM_C = 10.0
_LOGISTIC_C = 0.001
ANCESTOR_EPOCHS = 4
"""Takes more than twice the processor time of ours, see docs/training.md."""


@dataclass(frozen=True)
class Task:
    """One training.

    Attributes:
      notes: all of them.
      fold: which to use for what.
      seed: of the contender.
      recipe: ours.
      spectrogram: options of the log-mel spectrograms.
      folder: for files of this training alone; what it holds lets an interrupted training go on.
      told: what the training tells about itself, for the results.
    """

    notes: Notes
    fold: Fold
    seed: int
    recipe: RecipeOptions
    spectrogram: SpectrogramOptions
    folder: Path
    told: dict[str, Any] = field(default_factory=dict)


def majority(task: Task) -> Answer:
    """Answer the family that most train notes have."""
    most = np.bincount(task.notes.family[task.fold.known]).argmax()
    return lambda notes, chosen: np.full(len(chosen), most)


def extra_trees(task: Task) -> Answer:
    """Extremely randomized trees on statistics of the spectrogram."""
    trees = ExtraTreesClassifier(_TREES, class_weight="balanced", n_jobs=-1, random_state=task.seed)
    return _classical(task, trees)


def svm(task: Task) -> Answer:
    """Train a support vector machine with a Gaussian kernel on the same statistics."""
    machine = SVC(C=_SVM_C, class_weight="balanced", random_state=task.seed)
    return _classical(task, make_pipeline(StandardScaler(), machine))


def frozen_svm(task: Task) -> Answer:
    """Train the same machine on the features of a network that others trained on music."""
    machine = SVC(C=_SVM_C, class_weight="balanced", random_state=task.seed)
    return _classical(task, make_pipeline(StandardScaler(), machine), "frozen")


def frozen_logistic(task: Task) -> Answer:
    """Logistic regression on the same features."""
    model = LogisticRegression(C=_LOGISTIC_C, class_weight="balanced", max_iter=500)
    return _classical(task, make_pipeline(StandardScaler(), model), "frozen")


def _classical(task: Task, model: Any, features: str = "statistics") -> Answer:
    known = task.fold.known
    model.fit(getattr(task.notes, features)[known], task.notes.family[known])
    return lambda notes, chosen: model.predict(getattr(notes, features)[chosen])


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
    train, dev = (
        (np.asarray(task.notes.image[np.sort(part)], np.float32), task.notes.family[np.sort(part)])
        for part in (task.fold.train, task.fold.dev)
    )
    best = keras.callbacks.EarlyStopping(patience=ANCESTOR_EPOCHS, restore_best_weights=True)
    model.fit(*train, validation_data=dev, batch_size=32, epochs=ANCESTOR_EPOCHS, callbacks=[best], verbose=0)

    def answer(notes: Notes, chosen: np.ndarray) -> np.ndarray:
        return model.predict(np.asarray(notes.image[chosen], np.float32), verbose=0).argmax(axis=1)

    return answer


def ours(task: Task, per_bin: bool = True) -> Answer:
    """Our network, trained by the Trainer's own code on files like Transform's."""
    keras.backend.clear_session()
    network, normalize = trained(task, per_bin)
    return lambda notes, chosen: probabilities(network, normalize, notes, chosen).argmax(axis=1)


def trained(
    task: Task, per_bin: bool = True, teachers: Sequence[keras.Model] = ()
) -> tuple[keras.Model, Normalize]:
    """Trains our network; the function that comes with it normalizes spectrograms for it."""
    recipe = task.recipe.model_copy(update={"seed": task.seed})
    normalize = normalizer(task.notes, task.fold.train, per_bin)
    train, dev = (
        index.scan(
            [str(write_split(task.notes, part, normalize, task.folder / f"{name}.tfrecord"))],
            task.spectrogram,
        )
        for name, part in (("train", task.fold.train), ("dev", task.fold.dev))
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


def probabilities(network: keras.Model, normalize: Normalize, notes: Notes, chosen: np.ndarray) -> np.ndarray:
    """Return what a network of `trained` answers: float32 [chosen, classes]."""
    answers: np.ndarray = network.predict(_Batches(notes, chosen, normalize), verbose=0)
    return answers


class _Batches(keras.utils.PyDataset):
    """Normalized spectrograms, some at a time."""

    def __init__(self, notes: Notes, chosen: np.ndarray, normalize: Normalize, size: int = 64):
        super().__init__()
        self._notes, self._chosen, self._normalize, self._size = notes, chosen, normalize, size

    def __len__(self) -> int:
        return -(-len(self._chosen) // self._size)

    def __getitem__(self, number: int) -> tuple[np.ndarray]:
        chosen = self._chosen[number * self._size : (number + 1) * self._size]
        return (self._normalize(self._notes.log_mel[chosen]),)


def _ours_with(**changes: Any) -> Callable[[Task], Answer]:
    def contender(task: Task) -> Answer:
        changed = task.recipe.model_copy(update=changes)
        return ours(Task(**{**vars(task), "recipe": changed}))

    return contender


MAIN: dict[str, Callable[[Task], Answer]] = {
    "majority": majority,
    "ancestor": ancestor,
    "extra-trees": extra_trees,
    "svm": svm,
    "ours": ours,
}
ABLATIONS: dict[str, Callable[[Task], Answer]] = {
    "ours-without-augmentation": _ours_with(augment=AugmentOptions.off()),
    "ours-without-auxiliary-heads": _ours_with(auxiliary=AuxiliaryOptions(instrument=0, source=0, pitch=0)),
    "ours-without-balanced-sampling": _ours_with(balance=1.0),
    "ours-without-per-bin-normalization": lambda task: ours(task, per_bin=False),
}
FROZEN: dict[str, Callable[[Task], Answer]] = {
    "musicnn, svm": frozen_svm,
    "musicnn, logistic": frozen_logistic,
}
CONTENDERS = MAIN | ABLATIONS | FROZEN

"""The end of each epoch: evaluate the averaged weights on dev, log the result, save the state."""

import logging
import math
import time

import keras
import numpy as np
import tensorflow as tf

import nsynth
from trainer.checkpoint import Checkpoint
from trainer.heads import LABEL
from trainer.index import NoteIndex
from trainer.options import RecipeOptions
from trainer.state import Epoch, State

log = logging.getLogger("trainer")


class Judge:
    """Evaluate the network on the dev notes."""

    def __init__(self, network: keras.Model, dev: NoteIndex, batches: tf.data.Dataset):
        """Set network and notes.

        Args:
          network: the compiled network.
          dev: the notes.
          batches: their spectrograms, in the order of the index; additional notes at the end are ignored.
        """
        self.network, self._dev, self._batches = network, dev, batches

    def __call__(self) -> tuple[np.ndarray, float]:
        """Return each instrument's mean cross-entropy, float64 [instruments], and the share of notes that are right."""
        probabilities = self.network.predict(self._batches, verbose=0)[: len(self._dev)]
        family, instrument = self._dev.family, self._dev.instrument
        of_truth = probabilities[np.arange(len(family)), family].astype(float)
        loss = -np.log(np.maximum(of_truth, keras.config.epsilon()))
        right = float((probabilities.argmax(axis=1) == family).mean())
        return np.bincount(instrument, weights=loss) / np.bincount(instrument), right


class Progress(keras.callbacks.Callback):
    """Keras callback around one training."""

    def __init__(
        self, judge: Judge, recipe: RecipeOptions, notes_per_epoch: int, state: State, checkpoint: Checkpoint
    ):
        super().__init__()
        self._judge = judge
        self._recipe = recipe
        self._notes = notes_per_epoch
        self._checkpoint = checkpoint
        self.state = state

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate, log, keep the weights if they are not worse, and save the state.

        Raises:
          UserError: the loss is no longer a number.
        """
        trained = time.perf_counter() - self._started
        losses, dev_accuracy, weights = self._judge_average()
        if not (math.isfinite(logs["loss"]) and np.isfinite(losses).all()):
            raise nsynth.UserError(
                f"the training diverged in epoch {epoch + 1}: its loss is no longer a number; lower the recipe's "
                f"learning_rate (now {self._recipe.learning_rate})"
            )
        prefix = (
            f"{LABEL}_" if f"{LABEL}_accuracy" in logs else ""
        )  # Keras uses no head name if there is only one
        row = Epoch(
            epoch=epoch + 1,
            loss=float(logs[f"{prefix}loss"]),
            accuracy=float(logs[f"{prefix}accuracy"]),
            dev_loss=float(losses.mean()),
            dev_accuracy=dev_accuracy,
            learning_rate=float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            seconds=time.perf_counter() - self._started,
            examples_per_second=self._notes / trained,
            dev_seconds=time.perf_counter() - self._started - trained,
        )
        self.state.add(row, losses, weights)
        logs.update(dev_loss=row.dev_loss, dev_accuracy=row.dev_accuracy)  # for TensorBoard
        log.info(_line(row, self._recipe.epochs))
        self._checkpoint.save(self.model, self.state)
        if self.finished:
            self.model.stop_training = True

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or too many since the kept one."""
        done, patience = len(self.state.history), self._recipe.patience
        return done >= self._recipe.epochs or bool(patience and done - self.state.kept_epoch >= patience)

    def _judge_average(self) -> tuple[np.ndarray, float, list[np.ndarray]]:
        """Evaluate the averaged weights and return the result and these weights; training continues with its own."""
        own = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        averaged = self._judge.network.get_weights()
        losses, accuracy = self._judge()
        self.model.set_weights(own)
        return losses, accuracy, averaged


def _line(row: Epoch, epochs: int) -> str:
    return (
        f"epoch {row.epoch:>3}/{epochs}  loss {row.loss:.3f}  accuracy {row.accuracy:.3f}  |  "
        f"dev loss {row.dev_loss:.3f}  accuracy {row.dev_accuracy:.3f}  |  "
        f"rate {row.learning_rate:.1e}  {row.seconds:.1f} s  {row.examples_per_second:.0f} notes/s"
    )

"""What happens at the end of each epoch: judge the averaged weights on dev, tell the user, save the state."""

import logging
import math
import time

import keras
import numpy as np
import tensorflow as tf

import nsynth
from trainer.checkpoint import Checkpoint
from trainer.heads import FAMILY
from trainer.options import RecipeOptions
from trainer.state import Epoch, State

log = logging.getLogger("trainer")


class Progress(keras.callbacks.Callback):
    """Keras callback around one training."""

    def __init__(
        self,
        network: keras.Model,
        dev: tf.data.Dataset,
        recipe: RecipeOptions,
        notes_per_epoch: int,
        state: State,
        checkpoint: Checkpoint,
    ):
        super().__init__()
        self._network = network
        self._dev = dev
        self._recipe = recipe
        self._notes = notes_per_epoch
        self._checkpoint = checkpoint
        self.state = state

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Judges, tells, keeps the best, saves.

        Raises:
          UserError: the loss is no longer a number.
        """
        if not math.isfinite(logs["loss"]):
            raise nsynth.UserError(
                f"the training diverged in epoch {epoch + 1}: its loss is no longer a number; lower the recipe's "
                f"learning_rate (now {self._recipe.learning_rate})"
            )
        trained = time.perf_counter() - self._started
        prefix = f"{FAMILY}_" if f"{FAMILY}_accuracy" in logs else ""  # Keras names no head that is alone
        judged, weights = self._judge()
        row = Epoch(
            epoch=epoch + 1,
            loss=float(logs[f"{prefix}loss"]),
            accuracy=float(logs[f"{prefix}accuracy"]),
            dev_loss=judged["loss"],
            dev_accuracy=judged["accuracy"],
            learning_rate=float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            seconds=time.perf_counter() - self._started,
            examples_per_second=self._notes / trained,
        )
        state = self.state
        if not state.history or row.dev_loss < state.history[state.best_epoch - 1].dev_loss:
            state.best_epoch, state.best_weights = row.epoch, weights
        state.history.append(row)
        logs.update(dev_loss=row.dev_loss, dev_accuracy=row.dev_accuracy)  # for TensorBoard
        log.info(_line(row, self._recipe.epochs))
        self._checkpoint.save(self.model, state)
        if self.finished:
            self.model.stop_training = True

    @property
    def finished(self) -> bool:
        """All epochs done, or too many without a better dev loss."""
        done, patience = len(self.state.history), self._recipe.patience
        return done >= self._recipe.epochs or bool(patience and done - self.state.best_epoch >= patience)

    def _judge(self) -> tuple[dict[str, float], list[np.ndarray]]:
        """Loss and accuracy on dev of the averaged weights, and these weights; training goes on with its own."""
        own = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        averaged = self._network.get_weights()
        judged = self._network.evaluate(self._dev, verbose=0, return_dict=True)
        self.model.set_weights(own)
        return {name: float(value) for name, value in judged.items()}, averaged


def _line(row: Epoch, epochs: int) -> str:
    return (
        f"epoch {row.epoch:>3}/{epochs}  loss {row.loss:.3f}  accuracy {row.accuracy:.3f}  |  "
        f"dev loss {row.dev_loss:.3f}  accuracy {row.dev_accuracy:.3f}  |  "
        f"rate {row.learning_rate:.1e}  {row.seconds:.1f} s  {row.examples_per_second:.0f} notes/s"
    )

"""The training itself, from indexed notes to the kept weights."""

import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from trainer import devices
from trainer.checkpoint import Checkpoint
from trainer.heads import LABEL, active_heads, loss_weights
from trainer.index import NoteIndex
from trainer.input import evaluation_batches, steps_per_epoch, training_batches
from trainer.model import build, multiply_accumulates, with_auxiliary_heads
from trainer.options import RecipeOptions
from trainer.progress import Judge, Progress
from trainer.state import State
from transform.options import SpectrogramOptions

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
      network: float32 network without optimizer, with the kept averaged weights; ready to serve.
      state: history and kept epoch.
      parameters: number of parameters of the served network.
      macs: multiply-accumulate operations to classify one note.
    """

    network: keras.Model
    state: State
    parameters: int
    macs: int


def fit(
    recipe: RecipeOptions,
    spectrogram: SpectrogramOptions,
    train: NoteIndex,
    dev: NoteIndex,
    checkpoint: Checkpoint,
    start_weights: Path | None = None,
    logs: Path | None = None,
    answers: np.ndarray | None = None,
) -> Trained:
    """Train on `train` and keep the weights of the last epoch within one standard error of the best on `dev`.

    Dev has instruments that are not in train. It is not the valid split, because NSynth's valid and test splits share
    their instruments: a choice made on valid would be a choice made on test.

    Args:
      recipe: the recipe.
      spectrogram: spectrogram options of the notes.
      train: notes to train on.
      dev: notes on which each epoch is evaluated.
      checkpoint: checkpoint to resume from, if it has a state, and to save to after each epoch.
      start_weights: weights file of a network of the same architecture to start from.
      logs: folder for TensorBoard.
      answers: the teachers' mean probabilities for each train note, float32 [notes, classes]; see distill.py.
    """
    devices.make_repeatable(recipe.seed)
    per_epoch = steps_per_epoch(train, recipe.batch_size)
    strategy = devices.strategy()
    with devices.precision(), strategy.scope():
        network = build(recipe, spectrogram.n_mels)
        if start_weights:
            network.load_weights(start_weights)
        model = with_auxiliary_heads(network, recipe, len(train.instruments))
        compile_model(model, recipe, per_epoch, strategy.num_replicas_in_sync)
        network.compile(jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        state = checkpoint.restore(model)
    macs = multiply_accumulates(recipe, spectrogram.n_mels, spectrogram.frames)
    log.info(
        "training %s: %s parameters, %.1f M multiply-accumulates a note; %d notes of %d instruments, dev %d of %d",
        recipe.size, f"{network.count_params():,}", macs / 1e6,
        len(train), len(train.instruments), len(dev), len(dev.instruments),
    )  # fmt: skip
    judge = Judge(network, dev, evaluation_batches(dev, recipe.batch_size, spectrogram))
    progress = Progress(judge, recipe, per_epoch * recipe.batch_size, state, checkpoint)
    done = len(state.history)
    if not progress.finished:
        model.fit(
            training_batches(train, recipe, spectrogram, done * per_epoch, answers),
            initial_epoch=done,
            epochs=recipe.epochs,
            steps_per_epoch=per_epoch,
            callbacks=[keras.callbacks.TerminateOnNaN(), progress, *_tensorboard(logs)],
            shuffle=False,
            verbose=0,
        )
    return Trained(_served(recipe, spectrogram, state), state, network.count_params(), macs)


def compile_model(model: keras.Model, recipe: RecipeOptions, per_epoch: int, replicas: int = 1) -> None:
    """Compile the training model with optimizer and losses.

    Args:
      model: the model with all heads.
      recipe: the recipe.
      per_epoch: steps per epoch.
      replicas: number of devices that share each step.
    """
    warmup = round(recipe.warmup_epochs * per_epoch)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        decay_steps=max(1, recipe.epochs * per_epoch - warmup),
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm / replicas,  # Keras clips on each device, then sums
        use_ema=recipe.ema_momentum > 0,
        ema_momentum=recipe.ema_momentum or 0.99,  # unused if the average is off
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    heads = active_heads(recipe)
    model.compile(
        optimizer,
        loss={head: smoothed if head == LABEL else "categorical_crossentropy" for head in heads},
        loss_weights=loss_weights(recipe),
        metrics={LABEL: keras.metrics.CategoricalAccuracy(name="accuracy")},
        jit_compile=False,
    )


def _tensorboard(logs: Path | None) -> list[keras.callbacks.Callback]:
    return [keras.callbacks.TensorBoard(logs, write_graph=False)] if logs else []


def _served(recipe: RecipeOptions, spectrogram: SpectrogramOptions, state: State) -> keras.Model:
    """Return the network outside of the strategy, in full precision."""
    network = build(recipe, spectrogram.n_mels)
    network.set_weights(state.kept_weights)
    return network

"""Batches for training and for evaluation.

The files keep the order of the raw data, which is sorted by family. Training therefore draws notes through an
index: batch `step` is a pure function of the seed and of `step`. Draws do not depend on the order of the files and are
weighted by instrument, only the index is held in memory, and a resumed training gets the same batches as an
uninterrupted one.
"""

import numpy as np
import tensorflow as tf

import nsynth
from trainer.augment import augment
from trainer.heads import CLASSES, GROUP, LABEL, active_heads
from trainer.index import NoteIndex, Reader
from trainer.options import RecipeOptions
from transform import codec, features
from transform.options import SpectrogramOptions

_SALT_ORDER, _SALT_START, _SALT_AUGMENT = 1, 2, 3  # separate the random streams of one seed


def draw_probabilities(index: NoteIndex, balance: float) -> np.ndarray:
    """Return the probability of each note to be drawn, float64 [notes].

    A family is drawn in proportion to (notes of it) ** balance, then an instrument of it in proportion to
    (notes of it) ** balance, then any of its notes.
    """
    # An instrument has one family; a group of other data, such as a speaker, may have notes of several classes.
    instruments = int(index.instrument.max()) + 1
    pairs = index.family.astype(np.int64) * instruments + index.instrument
    pair, unit, notes_of = np.unique(pairs, return_inverse=True, return_counts=True)
    family_of = pair // instruments
    families = np.bincount(index.family, minlength=len(nsynth.CLASSES)).astype(float)
    family_share = np.where(families > 0, np.maximum(families, 1) ** balance, 0)
    family_share /= family_share.sum()
    weight = notes_of.astype(float) ** balance
    within = weight / np.bincount(family_of, weights=weight)[family_of]
    return (family_share[family_of] * within / notes_of)[unit]


def draw(step: tf.Tensor, cumulated: tf.Tensor, batch_size: int, seed: int) -> tf.Tensor:
    """Return the index positions of the notes of batch `step`: int64 [batch_size].

    An epoch is a systematic sample: as many draws as there are notes, evenly spaced over the cumulative probabilities
    from a random start. Each note is drawn as often as expected, plus or minus one (exactly once if all probabilities
    are equal). A random permutation then distributes the draws over the batches.

    Args:
      step: int64 scalar, number of batches drawn before.
      cumulated: float64 [notes], cumulative probabilities of `draw_probabilities`, computed once, so that the cost of a
        batch does not grow with the number of notes.
      batch_size: notes per batch.
      seed: seed of the run.
    """
    notes = tf.size(cumulated, tf.int64)
    steps = -(-notes // batch_size)
    draws = steps * batch_size
    epoch, position = step // steps, step % steps * batch_size + tf.range(batch_size, dtype=tf.int64)
    place = tf.random.experimental.index_shuffle(position, [seed * 8 + _SALT_ORDER, epoch], draws - 1)
    start = tf.random.stateless_uniform([], [seed * 8 + _SALT_START, epoch], dtype=tf.float64)
    sought = (tf.cast(place, tf.float64) + start) / tf.cast(draws, tf.float64)
    found = tf.searchsorted(cumulated, sought, side="right", out_type=tf.int64)
    return tf.minimum(found, notes - 1)


def steps_per_epoch(index: NoteIndex, batch_size: int) -> int:
    """Return the batches per epoch: as many draws as there are notes, rounded up to whole batches."""
    return -(-len(index) // batch_size)


def training_batches(
    index: NoteIndex,
    recipe: RecipeOptions,
    spectrogram: SpectrogramOptions,
    first_step: int = 0,
    answers: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Return endless batches, starting at `first_step`.

    Args:
      index: notes to draw from.
      recipe: batch size, balance, heads, augmentation and seed.
      spectrogram: spectrogram options of the notes.
      first_step: number of batches that an earlier part of the training has used.
      answers: the teachers' mean probabilities, float32 [notes, classes]; the label's targets are the mean of these and
        the labels.

    Returns:
      dataset of (float32 [batch, frames, n_mels], targets of `targets_of` for the recipe's heads; mixed as the notes).
    """
    instrument = tf.constant(index.instrument)
    cumulated = tf.cumsum(draw_probabilities(index, recipe.balance))
    taught = None if answers is None else tf.constant(answers, tf.float32)
    heads = active_heads(recipe)
    read = Reader(index)

    # No stateful ops here: with deterministic ops, tf.data would make the whole function sequential.
    def prepare(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        drawn = draw(step, cumulated, recipe.batch_size, recipe.seed)
        serialized = tf.numpy_function(read, [drawn], tf.string, stateful=False)
        notes = codec.parse_batch(tf.ensure_shape(serialized, [recipe.batch_size]), spectrogram)
        targets = targets_of(notes, tf.gather(instrument, drawn), len(index.instruments))
        if taught is not None:
            targets[LABEL] = (targets[LABEL] + tf.gather(taught, drawn)) / 2
        wanted = {head: targets[head] for head in heads}
        seed = tf.stack([tf.constant(recipe.seed * 8 + _SALT_AUGMENT, tf.int64), step])
        return augment(notes[features.LOG_MEL], wanted, recipe.augment, seed)

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max // recipe.batch_size)
    return steps.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def evaluation_batches(index: NoteIndex, batch_size: int, spectrogram: SpectrogramOptions) -> tf.data.Dataset:
    """Return (float32 [batch, frames, n_mels], families one-hot [batch, families]) for each note, in file order.

    The last batch is filled up with the first notes: Keras' `predict` fails if one of several devices gets no notes.
    """
    records = tf.data.TFRecordDataset(list(index.files))

    def prepare(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        notes = codec.parse_batch(serialized, spectrogram)
        return notes[features.LOG_MEL], _one_hot(notes[features.LABEL_ID], len(nsynth.CLASSES))

    return (
        records.concatenate(records.repeat().take(-len(index) % batch_size))
        .batch(batch_size)
        .apply(tf.data.experimental.assert_cardinality(steps_per_epoch(index, batch_size)))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def targets_of(notes: dict[str, tf.Tensor], group: tf.Tensor, groups: int) -> dict[str, tf.Tensor]:
    """Return one-hot targets float32 [batch, classes] of each head.

    The target of a missing attribute is all zeros, so that its cross-entropy is 0 and the head learns nothing from the
    note.

    Args:
      notes: parsed notes.
      group: index of each note's group, int [batch].
      groups: number of groups.
    """
    return {
        LABEL: _one_hot(notes[features.LABEL_ID], len(nsynth.CLASSES)),
        GROUP: _one_hot(group, groups),
        **{head: _one_hot(notes[features.OPTIONAL[head]], classes) for head, classes in CLASSES.items()},
    }


def _one_hot(ids: tf.Tensor, classes: int) -> tf.Tensor:
    return tf.one_hot(ids, classes, dtype=tf.float32)

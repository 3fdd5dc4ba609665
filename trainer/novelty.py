"""Novelty of a sound: its distance from the train notes in the space of the network's pooled features.

A Gaussian whose covariance has a few free directions and one variance for all others (probabilistic principal
components: Tipping & Bishop 1999, https://doi.org/10.1111/1467-9868.00196) is fitted to the train notes. The score is
the squared Mahalanobis distance, divided by a threshold that is set on dev, whose instruments are not in train.
"""

import logging
from typing import NamedTuple

import keras
import numpy as np

from trainer.index import NoteIndex
from trainer.input import evaluation_batches
from trainer.model import with_embedding
from transform.options import SpectrogramOptions

FALSE_ALARMS = 0.05
"""Share of the dev notes whose score is above 1."""
DIRECTIONS = 64
NOTES_LIMIT = 20_000  # of a split: more notes would not change the estimate
_NOTES_PER_DIRECTION = 8
_BATCH_SIZE = 64
log = logging.getLogger("trainer")


class Novelty(NamedTuple):
    """Parameters of the score."""

    mean: np.ndarray
    """float32 [features]"""
    directions: np.ndarray
    """float32 [features, directions], orthonormal."""
    precisions: np.ndarray
    """float32 [directions]: one over the variance along each."""
    rest_precision: float
    """One over the variance along any other direction."""
    threshold: float
    """Squared distance whose score is 1."""
    dev_notes: int
    """Number of dev notes on which the threshold was set."""

    def score(self, embedding: keras.KerasTensor) -> keras.KerasTensor:
        """Return the score of pooled features [batch, features], float32 [batch]; above 1, a sound is novel."""
        ops = keras.ops
        centred = embedding - self.mean
        along = ops.matmul(centred, self.directions)
        rest = ops.sum(ops.square(centred), axis=-1) - ops.sum(ops.square(along), axis=-1)
        distance = ops.sum(ops.square(along) * self.precisions, axis=-1)
        return (distance + ops.maximum(rest, 0.0) * self.rest_precision) / self.threshold


def fit_novelty(
    network: keras.Model, train: NoteIndex, dev: NoteIndex, spectrogram: SpectrogramOptions
) -> Novelty:
    """Fit the score to the train notes and set its threshold on dev.

    Args:
      network: the network as it is served.
      train: notes on which it was trained.
      dev: notes of other instruments.
      spectrogram: spectrogram options of the notes.
    """
    known, unknown = (_embeddings(network, index, spectrogram) for index in (train, dev))
    novelty = of_embeddings(known, unknown)
    log.info(
        "novelty: fitted to %d notes; of %d dev notes, %.0f %% are above 1",
        len(known), len(unknown), 100 * FALSE_ALARMS,
    )  # fmt: skip
    return novelty


def of_embeddings(known: np.ndarray, unknown: np.ndarray) -> Novelty:
    """Fit the score to pooled features.

    Args:
      known: features of the train notes, float32 [notes, features].
      unknown: features of the dev notes.
    """
    known = known.astype(np.float64)
    mean = known.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(known.T, bias=True))  # ascending
    count = max(1, min(DIRECTIONS, len(known) // _NOTES_PER_DIRECTION, len(variances) - 1))
    rest = max(float(variances[:-count].mean()), 1e-9)
    untested = Novelty(
        mean=mean.astype(np.float32),
        directions=axes[:, -count:].astype(np.float32),
        precisions=(1 / np.maximum(variances[-count:], rest)).astype(np.float32),
        rest_precision=1 / rest,
        threshold=1.0,
        dev_notes=len(unknown),
    )
    distances = keras.ops.convert_to_numpy(untested.score(unknown.astype(np.float32)))
    threshold = float(np.quantile(distances, 1 - FALSE_ALARMS, method="higher"))
    return untested._replace(threshold=max(threshold, 1e-9))


def _embeddings(network: keras.Model, index: NoteIndex, spectrogram: SpectrogramOptions) -> np.ndarray:
    every = -(-len(index) // NOTES_LIMIT)
    batches = evaluation_batches(index, _BATCH_SIZE, spectrogram).shard(every, 0)
    return with_embedding(network).predict(batches, verbose=0)[1][: len(index)]

"""The state of a training besides its variables. Imports nothing heavy."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


def surely_above(losses: np.ndarray, others: np.ndarray) -> bool:
    """Return whether `losses` exceed `others` by more than the standard error of the difference.

    Breiman's one-standard-error rule (Classification and Regression Trees, 1984), paired. The unit is the instrument,
    because errors on its notes are correlated.

    Args:
      losses: mean loss of each dev instrument, float [instruments].
      others: losses of the same instruments with other weights.
    """
    difference = losses - others
    if len(difference) == 1:  # a single instrument has no standard error
        return bool(difference[0] > 0)
    return bool(difference.mean() > difference.std(ddof=1) / np.sqrt(len(difference)))


@dataclass(frozen=True)
class Epoch:
    """One row of the history.

    Attributes:
      epoch: number of the epoch, from 1.
      loss: cross-entropy of the family head on augmented training notes, with smoothed and mixed targets.
      accuracy: share of training notes whose (dominant) family was predicted correctly.
      dev_loss: cross-entropy on dev, with plain targets and averaged weights; each instrument has the same weight.
      dev_accuracy: share of dev notes whose family was predicted correctly.
      learning_rate: learning rate after the last step.
      seconds: duration of training and evaluation.
      examples_per_second: training notes per second, without evaluation.
      dev_seconds: duration of the evaluation.
    """

    epoch: int
    loss: float
    accuracy: float
    dev_loss: float
    dev_accuracy: float
    learning_rate: float
    seconds: float
    examples_per_second: float
    dev_seconds: float = 0.0


@dataclass
class State:
    """The state of a training besides its variables.

    Attributes:
      history: a row for each epoch.
      kept_epoch: the last epoch within one standard error of the lowest dev loss; 0 before the first.
      kept_weights: the averaged weights of the network after that epoch.
      lowest: mean loss of each dev instrument after the epoch with the lowest dev loss.
    """

    history: list[Epoch] = field(default_factory=list)
    kept_epoch: int = 0
    kept_weights: list[np.ndarray] = field(default_factory=list)
    lowest: list[float] = field(default_factory=list)

    def add(self, row: Epoch, losses: np.ndarray, weights: list[np.ndarray]) -> None:
        """Add an epoch, and keep its weights if they are not worse on dev.

        Later epochs are preferred, because their weights are averaged over more steps at lower learning rates.

        Args:
          row: row of the history.
          losses: mean loss of each dev instrument, float64 [instruments].
          weights: weights of the network.
        """
        self.history.append(row)
        if not self.lowest or losses.mean() < np.mean(self.lowest):
            self.lowest = losses.tolist()
        if not surely_above(losses, np.array(self.lowest)):
            self.kept_epoch, self.kept_weights = row.epoch, weights

    def rows(self) -> list[dict[str, Any]]:
        """Return the history as plain values."""
        return [asdict(epoch) for epoch in self.history]

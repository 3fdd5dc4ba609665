"""What a training knows beside its variables. Imports nothing heavy."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


def surely_above(losses: np.ndarray, others: np.ndarray) -> bool:
    """Return whether dev can tell that `losses` lie above `others`: by more than the standard error of the difference.

    Breiman's one-standard-error rule (Classification and Regression Trees, 1984), paired. The unit is the
    instrument, since its notes err together: with few of them an epoch is the best of many by luck.

    Args:
      losses: mean loss of each dev instrument, float [instruments].
      others: of the same instruments, with other weights.
    """
    difference = losses - others
    if len(difference) == 1:  # one says nothing about how they differ
        return bool(difference[0] > 0)
    return bool(difference.mean() > difference.std(ddof=1) / np.sqrt(len(difference)))


@dataclass(frozen=True)
class Epoch:
    """One row of the history.

    Attributes:
      epoch: from 1.
      loss: cross-entropy of the family head on augmented training notes, smoothed and mixed targets.
      accuracy: share of training notes whose (dominant) family was found.
      dev_loss: cross-entropy on the dev split, plain targets, averaged weights; each instrument counts alike.
      dev_accuracy: share of dev notes whose family was found.
      learning_rate: after the last step.
      seconds: of training and judging.
      examples_per_second: training notes a second, judging aside.
      dev_seconds: of judging alone.
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
    """What a training knows beside its variables.

    Attributes:
      history: a row an epoch.
      kept_epoch: the last one that dev cannot tell from the one with the lowest loss; 0 before the first.
      kept_weights: the averaged weights of the network after it.
      lowest: mean loss of each dev instrument after the epoch with the lowest dev loss.
    """

    history: list[Epoch] = field(default_factory=list)
    kept_epoch: int = 0
    kept_weights: list[np.ndarray] = field(default_factory=list)
    lowest: list[float] = field(default_factory=list)

    def add(self, row: Epoch, losses: np.ndarray, weights: list[np.ndarray]) -> None:
        """Take in another epoch, and its weights if dev does not find them worse.

        Later epochs are preferred: their weights are averaged over more steps at lower rates.

        Args:
          row: of the history.
          losses: mean loss of each dev instrument, float64 [instruments].
          weights: the network's.
        """
        self.history.append(row)
        if not self.lowest or losses.mean() < np.mean(self.lowest):
            self.lowest = losses.tolist()
        if not surely_above(losses, np.array(self.lowest)):
            self.kept_epoch, self.kept_weights = row.epoch, weights

    def rows(self) -> list[dict[str, Any]]:
        """Return the history as plain values."""
        return [asdict(epoch) for epoch in self.history]

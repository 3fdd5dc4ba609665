"""What a training knows beside its variables. Imports nothing heavy."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Epoch:
    """One row of the history.

    Attributes:
      epoch: from 1.
      loss: cross-entropy of the family head on augmented training notes, smoothed and mixed targets.
      accuracy: share of training notes whose (dominant) family was found.
      dev_loss: cross-entropy on the dev split, plain targets, averaged weights.
      dev_accuracy: share of dev notes whose family was found.
      learning_rate: after the last step.
      seconds: of training and judging.
      examples_per_second: training notes a second, judging aside.
    """

    epoch: int
    loss: float
    accuracy: float
    dev_loss: float
    dev_accuracy: float
    learning_rate: float
    seconds: float
    examples_per_second: float


@dataclass
class State:
    """What a training knows beside its variables; the best weights are those of the lowest dev loss."""

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: list[np.ndarray] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """The history as plain values."""
        return [asdict(epoch) for epoch in self.history]

"""Confidence intervals by cluster bootstrap over instruments: errors on notes of one instrument are correlated.

Whole instruments are resampled with replacement, not notes. With few instruments the plain percentile bootstrap is
too narrow; its quantiles are therefore moved outwards by t / sqrt(1 - 1/n), as in Hesterberg, "What Teachers
Should Know About the Bootstrap" (2015), section 5.3 ("expanded percentile interval").
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from components.documents.document import Figure


def figure(value: float, low: float, high: float) -> Figure:
    """Return a measured value with its interval."""
    return Figure(value=float(value), low=float(low), high=float(high))


@dataclass(frozen=True)
class Resampling:
    """Which instrument each note belongs to, and how often each bootstrap resample holds each instrument."""

    instrument: np.ndarray  # int [notes], 0 .. instruments - 1
    weights: np.ndarray  # float [resamples, instruments]
    confidence: float

    @classmethod
    def of(cls, instruments: np.ndarray, resamples: int, confidence: float, seed: int) -> "Resampling":
        """Draw the resamples.

        Args:
          instruments: name of each note's instrument, [notes].
          resamples: how many to draw.
          confidence: of the intervals, such as 0.95.
          seed: the same seed, notes and number give the same intervals.
        """
        names, instrument = np.unique(instruments, return_inverse=True)
        draws = np.random.default_rng(seed).multinomial(
            len(names), np.full(len(names), 1 / len(names)), resamples
        )
        return cls(instrument, draws.astype(float), confidence)

    @property
    def instruments(self) -> int:
        """How many instruments there are."""
        return self.weights.shape[1]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum `values` [notes] or [notes, k] over each instrument's notes: [instruments] or [instruments, k]."""
        total = np.zeros((self.instruments, *values.shape[1:]))
        np.add.at(total, self.instrument, values)
        return total

    def mean(self, values: np.ndarray) -> Figure:
        """Return the mean of `values` [notes] with its interval."""
        sums, notes = self.sums(values), self.sums(np.ones(len(values)))
        replicates = (self.weights @ sums) / (self.weights @ notes)
        return figure(values.mean(), *self.bounds(replicates))

    def share(self, hits: np.ndarray) -> Figure:
        """Return the share of true `hits` [notes] with its interval."""
        return self.widen_degenerate(self.mean(hits.astype(float)))

    def widen_degenerate(self, share: Figure) -> Figure:
        """Widen the interval of a share that is 0 or 1, where all resamples agree and the bootstrap has zero width.

        The result is the exact binomial (Clopper-Pearson) interval over instruments: five instruments without an
        error do not prove an error rate of 0.
        """
        open_end = ((1 - self.confidence) / 2) ** (1 / self.instruments)
        if share.value == 1:
            return share.model_copy(update={"low": open_end})
        if share.value == 0:
            return share.model_copy(update={"high": 1 - open_end})
        return share

    def bounds(self, replicates: np.ndarray) -> tuple[float, float]:
        """Return the two-sided interval from the values that a statistic took in the resamples."""
        tail = self._tail((1 - self.confidence) / 2)
        low, high = np.nanquantile(replicates, [tail, 1 - tail])
        return low, high

    def one_sided(self, values: np.ndarray) -> tuple[float, float]:
        """Return lower and upper bound of the mean of `values` [notes], each one-sided at the stated confidence."""
        sums, notes = self.sums(values), self.sums(np.ones(len(values)))
        tail = self._tail(1 - self.confidence)
        low, high = np.quantile((self.weights @ sums) / (self.weights @ notes), [tail, 1 - tail])
        return float(low), float(high)

    def _tail(self, tail: float) -> float:
        n = self.instruments
        if n < 2:
            return 0.0
        return float(special.ndtr(special.stdtrit(n - 1, tail) * np.sqrt(n / (n - 1))))

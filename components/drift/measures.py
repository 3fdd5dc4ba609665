"""Drift of a new span: pure functions of statistics and of the champion's predictions."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

import nsynth
from components.distances import distances
from components.documents.data import DataCheck

FEATURES = tuple(nsynth.DRIFT)
"""Features with drift: class balance, numbers, and audio scalars."""


@dataclasses.dataclass(frozen=True)
class Answers:
    """The champion's predictions on some notes of a span."""

    labels: np.ndarray  # int [notes], the labels of the data
    probabilities: np.ndarray  # float [notes, families]

    @property
    def mean(self) -> np.ndarray:
        """Mean probability of each family: float [families]."""
        return self.probabilities.mean(axis=0)

    @property
    def agreement(self) -> float:
        """Label agreement: share of the notes that the champion predicts as labelled."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    @property
    def confidence(self) -> float:
        """Mean of the highest probability."""
        return float(self.probabilities.max(axis=1).mean())


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the Jensen-Shannon divergence of two distributions [values], base 2: 0 if equal, 1 without overlap.

    Source: J. Lin, "Divergence measures based on the Shannon entropy" (1991).
    """
    one, other = one / one.sum(), other / other.sum()
    middle = (one + other) / 2
    return float(_entropy(middle) - (_entropy(one) + _entropy(other)) / 2)


def _entropy(distribution: np.ndarray) -> float:
    positive = distribution[distribution > 0]
    return float(-(positive * np.log2(positive)).sum())


def distances_by_span(
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    others: Mapping[int, statistics_pb2.DatasetFeatureStatisticsList],
) -> dict[int, dict[str, float]]:
    """Compute span → feature → distance of the new span from it.

    Args:
      schema: the curated schema.
      statistics: of the new span.
      others: span → its statistics.
    """
    return {span: distances(FEATURES, schema, statistics, other) for span, other in others.items()}


def check_answers(new: Answers, before: Answers, max_drift: float, min_agreement: float) -> list[DataCheck]:
    """Compare the champion's predictions on the new span with those on the previous one.

    Args:
      new: predictions on the new span.
      before: predictions on the previous span.
      max_drift: limit of the divergence of the mean predictions; above it the round warns.
      min_agreement: lowest label agreement relative to the previous span; below it the span is refused, since its
        labels are most likely wrong.
    """
    moved = jensen_shannon(new.mean, before.mean)
    left = new.agreement / before.agreement if before.agreement else 1.0
    return [
        DataCheck(
            "prediction drift",
            moved,
            max_drift,
            "ok" if moved <= max_drift else "warn",
            f"the champion's mean predictions changed by {moved:.3f} since the previous span",
        ),
        DataCheck(
            "loss of label agreement with the champion",
            1 - left,
            1 - min_agreement,
            "ok" if left >= min_agreement else "stop",
            f"label agreement with the champion is {new.agreement:.0%}, on the previous span {before.agreement:.0%}"
            + ("" if left >= min_agreement else ": check the labels of the span"),
        ),
    ]


def check_distances(
    of_champion: Mapping[str, float], limits: Mapping[str, float], span: int
) -> list[DataCheck]:
    """Warn of features far from the champion's newest training data.

    Args:
      of_champion: feature → distance from that data.
      limits: feature → limit of the distance.
      span: number of that data's span.
    """
    return [
        DataCheck(
            f"drift of {feature} from the champion's training data",
            distance,
            limits[feature],
            "ok" if distance <= limits[feature] else "warn",
            f"{feature}: distance {distance:.3f} from span {span}, the champion's newest training data",
        )
        for feature, distance in of_champion.items()
        if feature in limits
    ]


def in_words(checks: Sequence[DataCheck], table: Mapping[int, Mapping[str, float]]) -> str:
    """Write the report in Markdown: checks, and distances from all earlier spans."""
    lines = ["# Drift of the new span", ""]
    lines += [f"- {check.words} ({check.outcome})" for check in checks] or [
        "- no earlier span or champion to compare with"
    ]
    if table:
        lines += ["", f"| from span | {' | '.join(FEATURES)} |", f"|---|{'---|' * len(FEATURES)}"]
        lines += [f"| {span} | {' | '.join(_cells(row))} |" for span, row in table.items()]
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, float]) -> Iterable[str]:
    return (f"{row[feature]:.3f}" if feature in row else "–" for feature in FEATURES)

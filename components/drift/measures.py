"""What is measured on a new span: pure functions of statistics and of the champion's answers."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

import nsynth
from components.distances import distances
from components.documents import DataCheck

FEATURES = tuple(nsynth.DRIFT)
"""What may drift: class balance, numbers, and the scalars of the sound."""


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the champion answers to some notes of a span."""

    labels: np.ndarray  # int [notes], the families that the data names
    probabilities: np.ndarray  # float [notes, families]

    @property
    def mean(self) -> np.ndarray:
        """Mean probability of each family: float [families]."""
        return self.probabilities.mean(axis=0)

    @property
    def agreement(self) -> float:
        """Share of the notes whose label the champion answers."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    @property
    def confidence(self) -> float:
        """Mean probability of its first answer."""
        return float(self.probabilities.max(axis=1).mean())


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions [values], to base 2: 0 where equal, 1 where apart.

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
    """Span → feature → distance of the new span from it.

    Args:
      schema: the curated schema.
      statistics: of the new span.
      others: span → its statistics.
    """
    return {span: distances(FEATURES, schema, statistics, other) for span, other in others.items()}


def check_answers(new: Answers, before: Answers, max_drift: float, min_agreement: float) -> list[DataCheck]:
    """Judges the champion's answers to the new span beside those to the span before.

    Args:
      new: answers to the new span.
      before: answers to the one before.
      max_drift: bar for the divergence of the mean answers; above it the round warns.
      min_agreement: how much of the agreement with the labels must be left; below it the span is refused, since
        most likely its labels are wrong.
    """
    moved = jensen_shannon(new.mean, before.mean)
    left = new.agreement / before.agreement if before.agreement else 1.0
    return [
        DataCheck(
            "prediction drift",
            moved,
            max_drift,
            "ok" if moved <= max_drift else "warn",
            f"the champion's answers moved by {moved:.3f} from the span before",
        ),
        DataCheck(
            "labels that the champion doubts",
            1 - left,
            1 - min_agreement,
            "ok" if left >= min_agreement else "stop",
            f"the champion agrees with {new.agreement:.0%} of the labels, with {before.agreement:.0%} of those "
            "of the span before" + ("" if left >= min_agreement else ": are the notes labelled wrongly?"),
        ),
    ]


def check_distances(
    of_champion: Mapping[str, float], bars: Mapping[str, float], span: int
) -> list[DataCheck]:
    """Warns of features that lie far from the newest data that the champion has learnt from.

    Args:
      of_champion: feature → distance from that data.
      bars: feature → bar on it.
      span: where that data lies.
    """
    return [
        DataCheck(
            f"drift of {feature} from the champion's data",
            distance,
            bars[feature],
            "ok" if distance <= bars[feature] else "warn",
            f"{feature} moved by {distance:.3f} from span {span}, the newest that the champion has learnt from",
        )
        for feature, distance in of_champion.items()
        if feature in bars
    ]


def in_words(checks: Sequence[DataCheck], table: Mapping[int, Mapping[str, float]]) -> str:
    """The report in Markdown: what was measured, and the distance from every span before."""
    lines = ["# Drift of the new span", ""]
    lines += [f"- {check.words} ({check.outcome})" for check in checks] or ["- nothing to compare with yet"]
    if table:
        lines += ["", f"| from span | {' | '.join(FEATURES)} |", f"|---|{'---|' * len(FEATURES)}"]
        lines += [f"| {span} | {' | '.join(_cells(row))} |" for span, row in table.items()]
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, float]) -> Iterable[str]:
    return (f"{row[feature]:.3f}" if feature in row else "–" for feature in FEATURES)

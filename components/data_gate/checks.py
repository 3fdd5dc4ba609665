"""Checks of the data against limits: pure functions of statistics and counts."""

from collections.abc import Iterable, Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

import nsynth
from components.data_gate.options import DataGateOptions, Limit
from components.distances import distances
from components.documents.data import DataCheck


def check_all(
    options: DataGateOptions,
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
    notes_in: int,
    notes_quarantined: int,
    accepted: statistics_pb2.DatasetFeatureStatisticsList | None,
) -> list[DataCheck]:
    """Measure everything that has a limit.

    Args:
      options: the limits.
      schema: the curated schema.
      statistics: of the train split.
      anomalies: split → what ExampleValidator found.
      notes_in: notes that ingest read.
      notes_quarantined: notes that it quarantined.
      accepted: statistics of the train split accepted last, if there is one.
    """
    shares = family_shares(statistics)
    missing = [family for family in nsynth.CLASSES if not shares.get(family)]
    largest = max(shares, key=shares.__getitem__, default="none")
    found = [
        f"{split}: {name}: {info.description}"
        for split, diff in anomalies.items()
        for name, info in diff.anomaly_info.items()
    ]
    quarantined = notes_quarantined / max(1, notes_in)
    checks = [
        _check("schema anomalies", len(found), options.anomalies, "; ".join(found) or "none"),
        _check(
            "share of quarantined notes",
            quarantined,
            options.quarantined_share,
            f"{notes_quarantined:,} of {notes_in:,} notes were quarantined ({quarantined:.2%})",
        ),
        _check(
            f"share of the largest {nsynth.LABEL.word}",
            shares.get(largest, 0.0),
            options.largest_family_share,
            f"{largest} has {shares.get(largest, 0.0):.1%} of the train split",
        ),
        _check(
            f"missing {nsynth.LABEL.plural}",
            len(missing),
            options.families_missing,
            f"no notes of {', '.join(missing)} in the train split" if missing else "none",
        ),
    ]
    if accepted is None:
        return checks
    return checks + list(_drift_checks(options.drift, schema, statistics, accepted))


def family_shares(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, float]:
    """Compute family → its share of the notes."""
    for feature in statistics.datasets[0].features:
        if feature.path.step[-1] == nsynth.LABEL.name_key:
            buckets = feature.string_stats.rank_histogram.buckets
            total = sum(bucket.sample_count for bucket in buckets)
            return {bucket.label: bucket.sample_count / total for bucket in buckets}
    return {}


def _drift_checks(
    limits: Mapping[str, Limit],
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    accepted: statistics_pb2.DatasetFeatureStatisticsList,
) -> Iterable[DataCheck]:
    moved = distances(limits, schema, statistics, accepted)
    for feature, limit in limits.items():
        if feature in moved:
            distance = moved[feature]
            words = f"distance {distance:.3f} from the last accepted data"
            yield _check(f"drift of {feature}", distance, limit, words)


def _check(name: str, measured: float, limit: Limit, words: str) -> DataCheck:
    outcome = "ok" if measured <= limit.limit else limit.action
    return DataCheck(name, float(measured), limit.limit, outcome, words)

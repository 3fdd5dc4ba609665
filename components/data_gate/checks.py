"""What is measured on the data, each against its bar: pure functions of statistics and counts."""

from collections.abc import Iterable, Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

import nsynth
from components.data_gate.options import Bar, DataGateOptions
from components.distances import distances
from components.documents import DataCheck


def check_all(
    options: DataGateOptions,
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
    notes_in: int,
    notes_quarantined: int,
    accepted: statistics_pb2.DatasetFeatureStatisticsList | None,
) -> list[DataCheck]:
    """Measures everything that has a bar.

    Args:
      options: the bars.
      schema: the curated schema.
      statistics: of the train split.
      anomalies: split → what ExampleValidator found.
      notes_in: notes that ingest read.
      notes_quarantined: notes that it set aside.
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
            "quarantined share",
            quarantined,
            options.quarantined_share,
            f"{notes_quarantined:,} of {notes_in:,} notes were set aside ({quarantined:.2%})",
        ),
        _check(
            f"largest {nsynth.LABEL.word}'s share",
            shares.get(largest, 0.0),
            options.largest_family_share,
            f"{largest} has {shares.get(largest, 0.0):.1%} of the train split",
        ),
        _check(
            f"{nsynth.LABEL.plural} missing",
            len(missing),
            options.families_missing,
            f"no note of {', '.join(missing)} in the train split"
            if missing
            else f"every {nsynth.LABEL.word} is there",
        ),
    ]
    if accepted is None:
        return checks
    return checks + list(_drift_checks(options.drift, schema, statistics, accepted))


def family_shares(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, float]:
    """Family → its share of the notes."""
    for feature in statistics.datasets[0].features:
        if feature.path.step[-1] == nsynth.LABEL.name_key:
            buckets = feature.string_stats.rank_histogram.buckets
            total = sum(bucket.sample_count for bucket in buckets)
            return {bucket.label: bucket.sample_count / total for bucket in buckets}
    return {}


def _drift_checks(
    bars: Mapping[str, Bar],
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    accepted: statistics_pb2.DatasetFeatureStatisticsList,
) -> Iterable[DataCheck]:
    moved = distances(bars, schema, statistics, accepted)
    for feature, bar in bars.items():
        if feature in moved:
            distance = moved[feature]
            words = f"{feature} moved by {distance:.3f} from the data accepted last"
            yield _check(f"drift of {feature}", distance, bar, words)


def _check(name: str, measured: float, bar: Bar, words: str) -> DataCheck:
    outcome = "ok" if measured <= bar.limit else bar.action
    return DataCheck(name, float(measured), bar.limit, outcome, words)

"""How far two sets of notes lie apart, feature by feature, told from their statistics."""

from collections.abc import Iterable

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

import nsynth

NAMES = tuple(category.name_key for category in (nsynth.LABEL, *nsynth.CATEGORIES))
"""Features whose distance is one between shares of names."""


def distances(
    features: Iterable[str],
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    accepted: statistics_pb2.DatasetFeatureStatisticsList,
) -> dict[str, float]:
    """Return feature → distance between two sets of statistics, as TFDV measures it (0: same distribution, 1: apart).

    Jensen-Shannon divergence for numbers, L-infinity distance of the shares for names.
    """
    import tensorflow_data_validation as tfdv  # seconds to import, and the first data is compared with nothing

    asked = schema_pb2.Schema()
    asked.CopyFrom(schema)
    for feature in asked.feature:
        if feature.name in features:
            comparator = feature.drift_comparator
            kind = comparator.infinity_norm if feature.name in NAMES else comparator.jensen_shannon_divergence
            kind.threshold = 1.0
    compared = tfdv.validate_statistics(statistics, asked, previous_statistics=accepted)
    return {
        info.path.step[-1]: info.drift_measurements[0].value
        for info in compared.drift_skew_info
        if info.drift_measurements
    }

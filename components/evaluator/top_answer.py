"""Precision and recall of each class at the top answer, read off the confusion matrix that TFMA counts in any case.

TFMA's own, Precision and Recall with `top_k` 1, count each class of each model for itself, note by note and slice by
slice: three quarters of all its time. They also give a class that is never answered a recall of 1, since every note
then lies at the threshold of minus infinity. The keys are theirs, and so is every other value.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import (
    MatrixEntryKey,
    multi_class_confusion_matrices,
)
from tensorflow_model_analysis.proto import config_pb2


class TopPrecision(tfma.metrics.Metric):
    """Share of the notes answered with a class that are of it; not a number if there are none."""

    def __init__(self, name: str = "precision"):
        super().__init__(_computations(lambda entry: entry.predicted_class_id), name=name)


class TopRecall(tfma.metrics.Metric):
    """Share of the notes of a class that are answered with it; not a number if there are none."""

    def __init__(self, name: str = "recall"):
        super().__init__(_computations(lambda entry: entry.actual_class_id), name=name)


def _computations(
    class_of: Callable[[MatrixEntryKey], int],
) -> Callable[..., metric_types.MetricComputations]:
    """Return how to compute the share of right answers among the notes that `class_of` counts to a class."""

    def of_class(
        name: str,
        eval_config: config_pb2.EvalConfig,
        model_name: str,
        output_name: str,
        sub_key: metric_types.SubKey,
        example_weighted: bool,
    ) -> metric_types.MetricComputations:
        key = metric_types.MetricKey(
            name=name,
            model_name=model_name,
            output_name=output_name,
            sub_key=sub_key._replace(top_k=1),
            example_weighted=example_weighted,
        )
        counted = multi_class_confusion_matrices(
            num_thresholds=1,  # as for the plot, so that TFMA counts once for both
            eval_config=eval_config,
            model_name=model_name,
            output_name=output_name,
            example_weighted=example_weighted,
        )

        def result(metrics: dict[metric_types.MetricKey, Any]) -> dict[metric_types.MetricKey, float]:
            matrices = metrics[counted[-1].keys[-1]]
            entries = matrices[min(matrices)]  # the threshold that every top answer reaches
            notes = sum(count for entry, count in entries.items() if class_of(entry) == sub_key.class_id)
            right = entries.get(MatrixEntryKey(sub_key.class_id, sub_key.class_id), 0.0)
            return {key: right / notes if notes else np.nan}

        return [*counted, metric_types.DerivedMetricComputation(keys=[key], result=result)]

    return metric_util.merge_per_key_computations(of_class)

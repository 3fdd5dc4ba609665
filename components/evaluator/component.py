"""Evaluator: TFMA's metrics of the stored predictions of the candidate and, if there is one, the champion."""

from collections.abc import Mapping, Sequence

from tfx import types
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import standard_component_specs
from tfx.utils import json_utils

from components.evaluator.eval_config import eval_config
from components.evaluator.executor import EvaluateExecutor
from components.step import TEXT, BeamStep

BANDS = "components.evaluator.bands"
"""Module in which TFX finds `custom_extractors`."""


class EvaluatorSpec(standard_component_specs.EvaluatorSpec):
    """TFX's interface, with a fingerprint of the code."""

    PARAMETERS = {**standard_component_specs.EvaluatorSpec.PARAMETERS, "code": TEXT}


class Evaluator(BeamStep):
    """TFX's Evaluator, applied to stored predictions; the champion may be empty.

    Outputs: `evaluation` (ModelEvaluation, as TFMA writes it) and `blessing` (ModelBlessing).
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = BeamExecutorSpec(EvaluateExecutor)

    def __init__(
        self,
        predictions: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        min_accuracy: float,
        max_loss: float,
        edges: Mapping[str, Sequence[int]],
        split: str = "valid",
        code: str = "",
    ):
        """Evaluate the predictions of `model` and `baseline_model`.

        Args:
          predictions: Predictor's output.
          model: the candidate that made the predictions; it is not run again.
          baseline_model: Predictor's output `champion`, possibly empty; it is not run again.
          min_accuracy: threshold for the overall accuracy.
          max_loss: how much accuracy the candidate may lose against the baseline.
          edges: number → edges of its bands, the end of the last band included.
          split: the split of the predictions.
          code: fingerprint of the code of this step.
        """
        super().__init__(
            examples=predictions,
            model=model,
            baseline_model=baseline_model,
            eval_config=eval_config(min_accuracy, max_loss, edges),
            example_splits=json_utils.dumps([split]),
            module_path=BANDS,
            fairness_indicator_thresholds=json_utils.dumps(None),
            code=code,
        )

"""Predictor: runs candidate and champion once on the evaluation notes, for all steps that evaluate them."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.predictor.executor import PredictorExecutor
from components.serving_driver import ServingDriver
from components.step import TEXT, Step


class PredictorSpec(ComponentSpec):
    """Interface of Predictor."""

    PARAMETERS = {
        "push_destination": TEXT,
        "version": ExecutionParameter(type=int, optional=True),
        "split": TEXT,
        "code": TEXT,
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS = {
        "predictions": ChannelParameter(type=standard_artifacts.Examples),
        "champion": ChannelParameter(type=standard_artifacts.Model),
    }


class Predictor(Step):
    """Run both models on every note of a split.

    Predictor finds the champion, in place of TFX's Resolver, which open-source Kubeflow rejects. The champion is the
    version that is serving. If the candidate has already been pushed, it is the version that the candidate was compared
    with at that time, so that an unchanged run is cached.

    Args:
      examples: raw Examples, not transformed ones: the models get the same input as when serving.
      model: the candidate.
      push_destination: the folder that the model server watches.
      split: the split to predict.

    Outputs: `predictions` has that split, with a tf.Example per note, without audio, with the predictions of each model
    (components/predictions.py), and `models.json`, which describes the models; `champion`, a copy of the champion with
    its number as custom property `version`, or an empty folder and 0.
    """

    SPEC_CLASS = PredictorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(PredictorExecutor)
    DRIVER_CLASS = ServingDriver

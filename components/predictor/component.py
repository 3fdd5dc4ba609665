"""Predictor: asks candidate and champion about the notes that are judged on, once, for all steps that judge."""

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
    """Ask both models about every note of a split.

    It finds the champion itself, in place of TFX's Resolver, which open-source Kubeflow refuses: the model that really
    serves, not one that was blessed once. If the candidate has been pushed already, it is the one that it was compared
    with then, so that an unchanged run is cached.

    Args:
      examples: raw Examples, not transformed ones: the models are fed as they would be when serving.
      model: the candidate.
      push_destination: the folder that the model server watches.
      split: which notes to ask about.

    Outputs: `predictions` has that split: a tf.Example a note, without its sound, with what each model answered
    (components/predictions.py), and `models.json` beside it, which says which models these were; `champion`, a copy
    with its number as custom property `version`, or an empty folder and 0.
    """

    SPEC_CLASS = PredictorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(PredictorExecutor)
    DRIVER_CLASS = ServingDriver

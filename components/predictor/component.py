"""Predictor: asks candidate and champion about the notes that are judged on, once, for all steps that judge."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.predictor.executor import PredictorExecutor


class PredictorSpec(ComponentSpec):
    """Interface of Predictor."""

    PARAMETERS = {"split": ExecutionParameter(type=str), "code": ExecutionParameter(type=str)}
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "champion": ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS = {"predictions": ChannelParameter(type=standard_artifacts.Examples)}


class Predictor(base_component.BaseComponent):
    """Ask both models about every note of a split.

    Its output `predictions` has that split: a tf.Example a note, without its sound, with what each model answered
    (components/predictions.py). `models.json` beside it says which models these were.
    """

    SPEC_CLASS = PredictorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PredictorExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        champion: types.BaseChannel,
        split: str = "valid",
        code: str = "",
    ):
        """Create the step.

        Args:
          examples: raw Examples, not transformed ones: the models are fed as they would be when serving.
          model: the candidate.
          champion: Champion's output, possibly an empty folder.
          split: which notes to ask about.
          code: fingerprint of the code behind this step.
        """
        super().__init__(
            PredictorSpec(
                examples=examples,
                model=model,
                champion=champion,
                split=split,
                code=code,
                predictions=types.Channel(type=standard_artifacts.Examples),
            )
        )

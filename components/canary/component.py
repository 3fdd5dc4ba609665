"""Canary: loads and tests the exported model as a server would, before it is pushed."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.canary.executor import CanaryExecutor
from components.canary.options import CanaryOptions


class CanarySpec(ComponentSpec):
    """Interface of Canary."""

    PARAMETERS = {
        "split": ExecutionParameter(type=str),
        "options": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "predictions": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "report": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }


class Canary(base_component.BaseComponent):
    """Test a model for serving; replaces TFX's InfraValidator, which requires Docker or Kubernetes.

    Outputs: `blessing`, with TFX's custom properties, so that a Pusher takes it; `report` with canary.json and
    canary.md.
    """

    SPEC_CLASS = CanarySpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(CanaryExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        predictions: types.BaseChannel,
        options: CanaryOptions,
        split: str = "valid",
        code: str = "",
    ):
        """Create the step.

        Args:
          examples: raw notes of `split` with their sound, each among the predictions: a sample is enough.
          model: the candidate.
          predictions: Predictor's output: what the candidate answered to the notes of `split`, as the gate saw it.
          options: the canary section of the configuration.
          split: the split of the predictions.
          code: fingerprint of the code behind this step.
        """
        super().__init__(
            CanarySpec(
                examples=examples,
                model=model,
                predictions=predictions,
                options=options.model_dump_json(),
                split=split,
                code=code,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
                report=types.Channel(type=standard_artifacts.ModelEvaluation),
            )
        )

"""Canary: loads and tests the exported model as a server would, before it is pushed."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components.canary.executor import CanaryExecutor
from components.step import TEXT, Step


class CanarySpec(ComponentSpec):
    """Interface of Canary."""

    PARAMETERS = {"split": TEXT, "options": TEXT, "code": TEXT}
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "predictions": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "report": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }


class Canary(Step):
    """Test a model for serving; replaces TFX's InfraValidator, which requires Docker or Kubernetes.

    Args:
      examples: raw notes of `split` with audio; all must be in the predictions. Ingest's sample is enough.
      model: the candidate.
      predictions: Predictor's output: the candidate's predictions for the notes of `split`, which the gate uses.
      options: CanaryOptions.
      split: the split of the predictions.

    Outputs: `blessing`, with TFX's custom properties, so that any Pusher accepts it; `report` with canary.json and
    canary.md.
    """

    SPEC_CLASS = CanarySpec
    EXECUTOR_SPEC = ExecutorClassSpec(CanaryExecutor)

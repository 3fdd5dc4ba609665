"""Gate: decides whether a candidate may be pushed, and says why."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.system_executions import Evaluate

from components.gate.executor import GateExecutor
from components.gate.options import GateOptions


class GateSpec(ComponentSpec):
    """Interface of Gate."""

    PARAMETERS = {
        "split": ExecutionParameter(type=str),
        "options": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "predictions": ChannelParameter(type=standard_artifacts.Examples),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "evaluator_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    OUTPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "report": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    TYPE_ANNOTATION = Evaluate


class Gate(base_component.BaseComponent):
    """Compare a candidate with thresholds and with the champion on the same notes.

    Outputs: `blessing`, with TFX's custom properties, so that a Pusher takes it, of the model that answered; `report`
    with gate.json and gate.md.
    """

    SPEC_CLASS = GateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(GateExecutor)

    def __init__(
        self,
        *,
        predictions: types.BaseChannel,
        evaluation: types.BaseChannel | None = None,
        evaluator_blessing: types.BaseChannel | None = None,
        options: GateOptions,
        split: str = "valid",
        code: str = "",
    ):
        """Judges the model that gave the predictions.

        Args:
          predictions: Predictor's output: what candidate and champion answered.
          evaluation: TFMA's figures for the candidate; they have to agree with the gate's own.
          evaluator_blessing: TFMA's verdict; the gate does not bless what TFMA refuses.
          options: what the configuration says.
          split: which notes the predictions are for.
          code: fingerprint of the code behind this step.
        """
        super().__init__(
            GateSpec(
                predictions=predictions,
                evaluation=evaluation,
                evaluator_blessing=evaluator_blessing,
                options=options.model_dump_json(),
                split=split,
                code=code,
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                report=types.Channel(type=standard_artifacts.ModelEvaluation),
            )
        )

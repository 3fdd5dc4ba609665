"""Gate: decides whether a candidate may be pushed, and says why."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec
from tfx.types.system_executions import Evaluate

from components.gate.executor import GateExecutor
from components.step import TEXT, Step


class GateSpec(ComponentSpec):
    """Interface of Gate."""

    PARAMETERS = {"split": TEXT, "options": TEXT, "code": TEXT}
    INPUTS = {"predictions": ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "report": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    TYPE_ANNOTATION = Evaluate


class Gate(Step):
    """Compare a candidate with thresholds and with the champion on the same notes.

    Args:
      predictions: Predictor's output: the predictions of candidate and champion.
      options: GateOptions.
      split: the split of the predictions.

    Outputs: `blessing` for the model that made the predictions, with TFX's custom properties, so that any Pusher
    accepts it; `report` with gate.json and gate.md.
    """

    SPEC_CLASS = GateSpec
    EXECUTOR_SPEC = ExecutorClassSpec(GateExecutor)

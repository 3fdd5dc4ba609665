"""TFX's Transform component with this project's executor."""

from tfx.components import Transform as StockTransform
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

from transform.executor import Executor


class Transform(StockTransform):
    """TFX's Transform: same arguments, same artifacts; `transform.executor` tells what it does differently."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

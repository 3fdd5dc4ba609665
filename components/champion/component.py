"""Champion: provides the serving model to the steps that need it.

It replaces TFX's Resolver, which open-source Kubeflow rejects, and uses the version that is serving, not the one that
was blessed last.
"""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.champion.executor import ChampionExecutor
from components.serving_driver import ServingDriver
from components.step import TEXT, Step


class ChampionSpec(ComponentSpec):
    """Interface of Champion."""

    PARAMETERS = {
        "push_destination": TEXT,
        "version": ExecutionParameter(type=int, optional=True),
        "code": TEXT,
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}


class Champion(Step):
    """Copy the serving version into an artifact of this pipeline.

    Args:
      push_destination: the folder that the model server watches.

    The output `model` contains the copy under `Format-Serving` and has the custom property `version`. If nothing is
    serving yet, it is an empty folder with `version` 0.
    """

    SPEC_CLASS = ChampionSpec
    EXECUTOR_SPEC = ExecutorClassSpec(ChampionExecutor)
    DRIVER_CLASS = ServingDriver

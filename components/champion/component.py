"""Champion: hands the model that serves now to the steps that need it.

It stands in for TFX's Resolver, which open-source Kubeflow refuses, and looks at what is really serving instead
of at what was blessed once.
"""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.champion.driver import ChampionDriver
from components.champion.executor import ChampionExecutor


class ChampionSpec(ComponentSpec):
    """Interface of Champion."""

    PARAMETERS = {
        "push_destination": ExecutionParameter(type=str),
        "version": ExecutionParameter(type=int, optional=True),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {"candidate": ChannelParameter(type=standard_artifacts.Model, optional=True)}
    OUTPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}


class Champion(base_component.BaseComponent):
    """Copies the serving version into an artifact of this pipeline.

    Its output `model` holds the copy under `Format-Serving`, with the custom property `version`; if nothing is
    serving yet it is an empty folder with `version` 0.
    """

    SPEC_CLASS = ChampionSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ChampionExecutor)
    DRIVER_CLASS = ChampionDriver

    def __init__(self, push_destination: str, candidate: types.BaseChannel | None = None, code: str = ""):
        """Looks for the model to beat.

        Args:
          push_destination: the folder that the model server watches.
          candidate: the model that will be compared. Once it has been pushed, the answer is what it was compared
            with then, so that an unchanged run is cached. None: the answer is what serves now.
          code: fingerprint of the code behind this step.
        """
        super().__init__(
            ChampionSpec(
                push_destination=push_destination,
                candidate=candidate,
                code=code,
                model=types.Channel(type=standard_artifacts.Model),
            )
        )

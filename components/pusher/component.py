"""Pusher: publishes a blessed model as a new version, whole or not at all."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.system_executions import Deploy

from components.artifacts import QuarantinedNotes
from components.pusher.executor import PushExecutor
from components.pusher.options import PushOptions


class PusherSpec(ComponentSpec):
    """Interface of Pusher. A cluster fills in `run` and `run_name` (id and name of its run) and `host`."""

    PARAMETERS = {
        "push_destination": ExecutionParameter(type=str),
        "options": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
        "run": ExecutionParameter(type=str, optional=True),
        "run_name": ExecutionParameter(type=str, optional=True),
        "host": ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing, optional=True),
        "gate_report": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "canary_report": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "examples": ChannelParameter(type=standard_artifacts.Examples, optional=True),
        "quarantine": ChannelParameter(type=QuarantinedNotes, optional=True),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}
    TYPE_ANNOTATION = Deploy


class Pusher(base_component.BaseComponent):
    """Takes the place of TFX's Pusher, whose copy is visible while it is being made and knows no way back.

    Its output `pushed_model` carries TFX's custom properties: `pushed` (0 or 1), `pushed_version`,
    `pushed_destination`.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PushExecutor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        push_destination: str,
        infra_blessing: types.BaseChannel | None = None,
        gate_report: types.BaseChannel | None = None,
        canary_report: types.BaseChannel | None = None,
        examples: types.BaseChannel | None = None,
        quarantine: types.BaseChannel | None = None,
        options: PushOptions,
        code: str = "",
    ):
        """Pushes `model` if every blessing given says yes.

        Args:
          model: the candidate.
          model_blessing: the gate's. There is no push without one.
          push_destination: the folder that the model server watches.
          infra_blessing: the canary's.
          gate_report: for the record and the model card beside the version.
          canary_report: likewise.
          examples: the data that the model was made of, for its spans; the notes are not read.
          quarantine: the account of that data, for the model card.
          options: what the configuration says.
          code: fingerprint of the code behind this step.
        """
        super().__init__(
            PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                gate_report=gate_report,
                canary_report=canary_report,
                examples=examples,
                quarantine=quarantine,
                push_destination=push_destination,
                options=options.model_dump_json(),
                code=code,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )

"""Pusher: publishes a blessed model atomically as a new version."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.system_executions import Deploy

from components.artifacts import QuarantinedNotes
from components.blessing import BLESSINGS
from components.pusher.executor import PushExecutor
from components.step import TEXT, Step


class PusherSpec(ComponentSpec):
    """Interface of Pusher. A cluster fills in `run` and `run_name` (id and name of its run) and `host`."""

    PARAMETERS = {
        "push_destination": TEXT,
        "options": TEXT,
        "code": TEXT,
        "run": ExecutionParameter(type=str, optional=True),
        "run_name": ExecutionParameter(type=str, optional=True),
        "host": ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        **BLESSINGS,
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing, optional=True),
        "gate_report": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "canary_report": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "examples": ChannelParameter(type=standard_artifacts.Examples, optional=True),
        "quarantine": ChannelParameter(type=QuarantinedNotes, optional=True),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}
    TYPE_ANNOTATION = Deploy


class Pusher(Step):
    """Push the model if all given blessings are positive.

    Replaces TFX's Pusher, whose copy is visible while it is being written, and which has no rollback.

    Args:
      model: the candidate.
      model_blessing, evaluator_blessing, newest_blessing: blessings of the steps that evaluated the model; the first
        one, the gate's, is required for a push.
      infra_blessing: the canary's blessing.
      gate_report, canary_report: for the record and the model card beside the version.
      examples: the training data, for its spans; the notes are not read.
      quarantine: the account of the training data, for the model card.
      push_destination: the folder that the model server watches.
      options: PushOptions.

    The output `pushed_model` has TFX's custom properties: `pushed` (0 or 1), `pushed_version`, `pushed_destination`.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = ExecutorClassSpec(PushExecutor)

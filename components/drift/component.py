"""Drift: looks at a new span with what is known of the earlier ones and with the champion's eyes."""

import json
from collections.abc import Mapping

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import DataVerdict
from components.drift.executor import DriftExecutor
from components.drift.options import DriftOptions


class DriftSpec(ComponentSpec):
    """What Drift reads and writes."""

    PARAMETERS = {
        "options": ExecutionParameter(type=str),
        "limits": ExecutionParameter(type=str),
        "accepted_folder": ExecutionParameter(type=str),
        "push_destination": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "earlier": ChannelParameter(type=standard_artifacts.Examples, optional=True),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "champion": ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS = {"verdict": ChannelParameter(type=DataVerdict)}


class Drift(BaseComponent):
    """Measures drift; writes a verdict and refuses the span as DataGate does.

    Args:
      examples: notes of the new span with their sound: its sample is enough.
      earlier: likewise, of the span before it in the window; none if there is none.
      statistics: of the new span.
      schema: the curated schema.
      champion: Champion's output, possibly an empty folder.
      options: limits for the champion's predictions.
      limits: feature → the distance above which it warns.
      accepted_folder: where statistics of accepted spans lie.
      push_destination: the folder of models, which tells what the champion has learnt from.
      code: fingerprint of the code behind this step.
    """

    SPEC_CLASS = DriftSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DriftExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        earlier: types.BaseChannel | None,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        champion: types.BaseChannel,
        options: DriftOptions,
        limits: Mapping[str, float],
        accepted_folder: str,
        push_destination: str,
        code: str = "",
    ):
        super().__init__(
            DriftSpec(
                examples=examples,
                earlier=earlier,
                statistics=statistics,
                schema=schema,
                champion=champion,
                options=options.model_dump_json(),
                limits=json.dumps(dict(limits)),
                accepted_folder=accepted_folder,
                push_destination=push_destination,
                code=code,
                verdict=types.Channel(type=DataVerdict),
            )
        )

"""Drift: looks at a new span with what is known of the earlier ones and with the champion's eyes."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components.artifacts import DataVerdict
from components.drift.executor import DriftExecutor
from components.step import TEXT, Step


class DriftSpec(ComponentSpec):
    """What Drift reads and writes."""

    PARAMETERS = {
        "options": TEXT,
        "limits": TEXT,
        "accepted_folder": TEXT,
        "push_destination": TEXT,
        "code": TEXT,
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "earlier": ChannelParameter(type=standard_artifacts.Examples, optional=True),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "champion": ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS = {"verdict": ChannelParameter(type=DataVerdict)}


class Drift(Step):
    """Measures drift; writes a verdict and refuses the span as DataGate does.

    Args:
      examples: notes of the new span with their sound: its sample is enough.
      earlier: likewise, of the span before it in the window; none if there is none.
      statistics: of the new span.
      schema: the curated schema.
      champion: Champion's output, possibly an empty folder.
      options: DriftOptions, the limits for the champion's predictions.
      limits: feature → the distance above which it warns.
      accepted_folder: where statistics of accepted spans lie.
      push_destination: the folder of models, which tells what the champion has learnt from.
    """

    SPEC_CLASS = DriftSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DriftExecutor)

"""Drift: compares a new span with earlier ones, by its features and by the champion's predictions."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components.artifacts import DataVerdict
from components.drift.executor import DriftExecutor
from components.step import TEXT, Step


class DriftSpec(ComponentSpec):
    """Interface of Drift."""

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
    """Measure drift, write a verdict and refuse the span as DataGate does.

    Args:
      examples: notes of the new span with audio; ingest's sample is enough.
      earlier: notes of the previous span in the window, if there is one.
      statistics: statistics of the new span.
      schema: the curated schema.
      champion: Champion's output, possibly an empty folder.
      options: DriftOptions, the thresholds for the champion's predictions.
      limits: feature → distance above which it warns.
      accepted_folder: folder with the statistics of accepted spans.
      push_destination: folder of the versions, whose records list the champion's training spans.
    """

    SPEC_CLASS = DriftSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DriftExecutor)

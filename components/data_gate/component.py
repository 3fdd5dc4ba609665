"""DataGate: checks the data and stops the run if it is refused; TFX itself continues a run with anomalies."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components.artifacts import DataVerdict, QuarantinedNotes
from components.data_gate.executor import DataGateExecutor
from components.step import TEXT, Step


class DataGateSpec(ComponentSpec):
    """Interface of DataGate."""

    PARAMETERS = {"options": TEXT, "accepted_folder": TEXT, "code": TEXT}
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "quarantine": ChannelParameter(type=QuarantinedNotes),
    }
    OUTPUTS = {"verdict": ChannelParameter(type=DataVerdict)}


class DataGate(Step):
    """Check anomalies, class balance, quarantine and drift against the thresholds of the configuration.

    Args:
      examples: the notes, for their span; they are not read.
      statistics, schema, anomalies, quarantine: outputs of the previous steps.
      options: DataGateOptions, the thresholds.
      accepted_folder: folder in which the statistics of accepted data are kept between runs.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DataGateExecutor)

"""DataGate judges the data and stops the run where it is refused: TFX lets a run go on over anomalies."""

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.artifacts import DataVerdict, QuarantinedNotes
from components.data_gate.executor import DataGateExecutor
from components.data_gate.options import DataGateOptions


class DataGateSpec(types.ComponentSpec):
    """What DataGate reads and writes."""

    PARAMETERS = {
        "options": ExecutionParameter(type=str),
        "accepted_folder": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "quarantine": ChannelParameter(type=QuarantinedNotes),
    }
    OUTPUTS = {"verdict": ChannelParameter(type=DataVerdict)}


class DataGate(BaseComponent):
    """Check anomalies, class balance, quarantine and drift against the limits of the configuration.

    Args:
      examples: the notes, for their span; they are not read.
      statistics, schema, anomalies, quarantine: outputs of the steps before.
      options: the limits.
      accepted_folder: where statistics of accepted data are kept from run to run.
      code: fingerprint of this step's code.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DataGateExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        anomalies: types.BaseChannel,
        quarantine: types.BaseChannel,
        options: DataGateOptions,
        accepted_folder: str,
        code: str = "",
    ):
        super().__init__(
            DataGateSpec(
                examples=examples,
                statistics=statistics,
                schema=schema,
                anomalies=anomalies,
                quarantine=quarantine,
                options=options.model_dump_json(),
                accepted_folder=accepted_folder,
                code=code,
                verdict=types.Channel(type=DataVerdict),
            )
        )

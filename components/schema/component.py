"""CuratedSchema: the schema of the dataset's contract, without the features that the data does not have."""

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.system_executions import Process

from components.artifacts import QuarantinedNotes
from components.schema.executor import Executor


class CuratedSchemaSpec(types.ComponentSpec):
    """Interface of CuratedSchema."""

    PARAMETERS = {"code": ExecutionParameter(type=str)}
    INPUTS = {"accounts": ChannelParameter(type=QuarantinedNotes)}
    OUTPUTS = {"schema": ChannelParameter(type=standard_artifacts.Schema)}
    TYPE_ANNOTATION = Process


class CuratedSchema(BaseComponent):
    """Writes the schema, where TFX's SchemaGen would guess one.

    Args:
      accounts: `quarantine` of every ingest: its summary counts the notes that have each feature.
      code: fingerprint of the code behind this step.
    """

    SPEC_CLASS = CuratedSchemaSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, accounts: types.BaseChannel, code: str = ""):
        schema = types.Channel(type=standard_artifacts.Schema)
        super().__init__(CuratedSchemaSpec(accounts=accounts, code=code, schema=schema))

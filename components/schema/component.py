"""ImportSchemaGen for a schema that ships with the code.

Stock TFX caches by the file's name alone, so an edited schema would go unnoticed; and it keeps the absolute path
of the machine that built the pipeline. Here the path is relative to the project, and the content's hash is part
of the cache key.
"""

from tfx import types
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.system_executions import Process

from components.schema.executor import Executor


class CuratedSchemaSpec(types.ComponentSpec):
    """Stock's parameter and output, and the hash of the content."""

    PARAMETERS = {"schema_file": ExecutionParameter(type=str), "code": ExecutionParameter(type=str)}
    INPUTS: dict = {}
    OUTPUTS = {"schema": ChannelParameter(type=standard_artifacts.Schema)}
    TYPE_ANNOTATION = Process


class CuratedSchema(ImportSchemaGen):
    """Brings the curated schema into the pipeline.

    Args:
      schema_file: package and name of the schema, as in `transform/schema.pbtxt`.
      code: fingerprint of the schema's content.
    """

    SPEC_CLASS = CuratedSchemaSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, schema_file: str, code: str):
        schema = types.Channel(type=standard_artifacts.Schema)
        spec = CuratedSchemaSpec(schema_file=schema_file, code=code, schema=schema)
        super(ImportSchemaGen, self).__init__(spec=spec)

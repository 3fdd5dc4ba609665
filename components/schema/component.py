"""CuratedSchema: the schema from `nsynth.py`, without the features that the data does not have."""

from google.protobuf import text_format
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Schema
from tfx.types.system_executions import Process

from components import storage
from components.artifacts import QuarantinedNotes
from components.documents.ingest import IngestAccount
from transform.schema import make_schema, missing_in

SCHEMA_FILE = "schema.pbtxt"


@component(component_annotation=Process)
def CuratedSchema(
    accounts: InputArtifact[list[QuarantinedNotes]],
    schema: OutputArtifact[Schema],
    code: Parameter[str] = "",
) -> None:
    """Write the schema; TFX's SchemaGen would infer one from the data.

    Args:
      accounts: `quarantine` of every ingest; its summary counts the notes that have each feature.
      schema: the output; `schema.pbtxt` is written to its folder.
      code: fingerprint of the code of this step.
    """
    del code  # used by the cache only
    read = [IngestAccount.read(artifact.uri) for artifact in accounts]
    missing = missing_in([account.features for account in read], sum(account.used for account in read))
    content = text_format.MessageToString(make_schema(missing))
    storage.write_bytes(f"{schema.uri}/{SCHEMA_FILE}", content.encode())

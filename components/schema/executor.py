"""Writes the schema that fits the data."""

from typing import Any

from google.protobuf import text_format
from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import artifact_utils

from components import storage
from components.documents import IngestAccount
from transform.schema import make_schema, missing_in

SCHEMA_FILE = "schema.pbtxt"


class Executor(BaseExecutor):
    """Executor of CuratedSchema."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `schema.pbtxt`."""
        accounts = [IngestAccount.read(artifact.uri) for artifact in input_dict["accounts"]]
        used = sum(account.used for account in accounts)
        missing = missing_in([account.features for account in accounts], used)
        folder = artifact_utils.get_single_uri(output_dict["schema"])
        content = text_format.MessageToString(make_schema(missing))
        storage.write_bytes(f"{folder}/{SCHEMA_FILE}", content.encode())

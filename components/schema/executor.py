"""Reads the schema from where the project is installed: a laptop's clone or the container's folder."""

from importlib import resources
from typing import Any

from tfx import types
from tfx.components.schema_gen.import_schema_gen import executor


class Executor(executor.Executor):
    """Stock's executor with the path made absolute."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Copies the schema into the output artifact."""
        package, _, name = exec_properties["schema_file"].partition("/")
        with resources.as_file(resources.files(package) / name) as schema_file:
            super().Do(input_dict, output_dict, {**exec_properties, "schema_file": str(schema_file)})

"""Copies the version that serves."""

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.serving_model import copy_serving
from components.step import Artifacts


class ChampionExecutor(base_executor.BaseExecutor):
    """Copies a pushed version into the output artifact."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Copy the version that the driver named, or the one found here where no driver ran (Kubeflow).

        Raises:
          nsynth.UserError: it is not a model of this pipeline, or was altered.
        """
        model = artifact_utils.get_single_instance(output_dict["model"])
        copy_serving(model, exec_properties["push_destination"], exec_properties.get("version"))

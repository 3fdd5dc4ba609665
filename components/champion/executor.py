"""Copies the version that is to be beaten."""

import logging
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

import nsynth
from components.champion.check import check_version
from components.registry import Registry
from components.version import Version

VERSION_PROPERTY = "version"


class ChampionExecutor(base_executor.BaseExecutor):
    """Copies a pushed version into the output artifact."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Copies the version that the driver named, or looks itself where no driver ran (Kubeflow).

        Raises:
          nsynth.UserError: it is not a model of this pipeline, or was altered, so that nothing can be compared with it.
        """
        model = artifact_utils.get_single_instance(output_dict["model"])
        candidates = input_dict.get("candidate") or []
        registry = Registry(exec_properties["push_destination"])
        number = exec_properties.get("version")
        if number is None:
            number = registry.to_beat(path_utils.serving_model_dir(candidates[0].uri) if candidates else None)
        try:
            if number:
                record = registry.get(int(number)).record
                registry.copy(int(number), path_utils.serving_model_dir(model.uri))
        except nsynth.UserError:
            logging.warning(
                "version %s is gone: the model is judged by the absolute thresholds alone", number
            )
            number = 0
        if number:
            check_version(Version(int(number), path_utils.serving_model_dir(model.uri), record))
        os.makedirs(model.uri, exist_ok=True)
        model.set_int_custom_property(VERSION_PROPERTY, int(number))

"""Finds out which version is to be beaten before the cache is asked, so that a new champion is noticed.

For steps that have the properties `push_destination` and `version` and, if they judge one, the input `model`.
"""

from typing import Any

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.utils import path_utils

from components.registry import Registry


class ServingDriver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Adds the number of the version to the step's properties, which are part of the cache's key."""

    def __init__(self, metadata_handle: Any) -> None:
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Return the properties with `version` filled in."""
        properties = dict(execution_info.exec_properties)
        candidates = execution_info.input_dict.get("model") or []
        candidate = path_utils.serving_model_dir(candidates[0].uri) if candidates else None
        properties["version"] = Registry(properties["push_destination"]).to_beat(candidate)
        output = driver_output_pb2.DriverOutput()
        for name, value in properties.items():
            data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output

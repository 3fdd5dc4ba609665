"""AllBlessed: one blessing out of several, for a model that is judged on more than one set of notes."""

from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from components import storage


class AllBlessedExecutor(BaseExecutor):
    """Blesses if every input does."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the blessing with TFX's properties, those of the first input for the rest."""
        key = constants.ARTIFACT_PROPERTY_BLESSED_KEY
        given = [artifact for name in ("first", "second") for artifact in input_dict[name]]
        blessed = all(g.get_int_custom_property(key) == constants.BLESSED_VALUE for g in given)
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        blessing.set_int_custom_property(key, int(blessed))
        for name in (
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
        ):
            if given[0].has_custom_property(name):
                blessing.set_string_custom_property(name, given[0].get_string_custom_property(name))
        marker = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
        storage.write_bytes(f"{blessing.uri}/{marker}", b"")


class AllBlessedSpec(ComponentSpec):
    """What AllBlessed reads and writes."""

    PARAMETERS: dict = {}
    INPUTS = {
        "first": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "second": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.ModelBlessing)}


class AllBlessed(BaseComponent):
    """Output `blessing`: yes if both inputs say yes."""

    SPEC_CLASS = AllBlessedSpec
    EXECUTOR_SPEC = ExecutorClassSpec(AllBlessedExecutor)

    def __init__(self, first: types.BaseChannel, second: types.BaseChannel):
        super().__init__(
            AllBlessedSpec(
                first=first,
                second=second,
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )

"""Blessings, marked as TFX's own steps mark them, so that its Pusher and its tools read them."""

from collections.abc import Mapping

from tfx.components.evaluator import constants
from tfx.dsl.io import fileio
from tfx.types import Artifact
from tfx.types.component_spec import ChannelParameter
from tfx.types.standard_artifacts import ModelBlessing

from components import storage

CURRENT_URI = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
CURRENT_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
BASELINE_URI = constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY


BLESSINGS = {
    "model_blessing": ChannelParameter(type=ModelBlessing),
    "evaluator_blessing": ChannelParameter(type=ModelBlessing, optional=True),
    "newest_blessing": ChannelParameter(type=ModelBlessing, optional=True),
}
"""Inputs of a step that uses a candidate only if all who judged it say yes: Gate, Evaluator, and on the newest span."""


def all_blessed(input_dict: Mapping[str, list[Artifact]]) -> bool:
    """Return whether the inputs that BLESSINGS names, as far as they are wired, all say yes, the first one at least."""
    given = [blessing for key in BLESSINGS for blessing in input_dict.get(key) or ()]
    return bool(input_dict.get("model_blessing")) and all(map(is_blessed, given))


def is_blessed(blessing: Artifact) -> bool:
    """Return whether a ModelBlessing says yes."""
    key = constants.ARTIFACT_PROPERTY_BLESSED_KEY
    return bool(blessing.get_int_custom_property(key) == constants.BLESSED_VALUE)


def bless_model(blessing: Artifact, blessed: bool, models: Mapping[str, str | int]) -> None:
    """Mark a ModelBlessing as TFX's Evaluator does.

    Args:
      blessing: the artifact.
      blessed: yes or no.
      models: custom properties that say which model was judged (CURRENT_…) and against which (BASELINE_…).
    """
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    storage.write_bytes(f"{blessing.uri}/{name}", b"")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    for key, value in models.items():
        if isinstance(value, int):
            blessing.set_int_custom_property(key, value)
        else:
            blessing.set_string_custom_property(key, value)


def withdraw(blessing: Artifact) -> None:
    """Make a no of a ModelBlessing that says yes."""
    fileio.remove(f"{blessing.uri}/{constants.BLESSED_FILE_NAME}")
    bless_model(blessing, False, {})


def bless_infra(blessing: Artifact, blessed: bool) -> None:
    """Mark an InfraBlessing as TFX's InfraValidator does."""
    storage.write_bytes(f"{blessing.uri}/{'INFRA_BLESSED' if blessed else 'INFRA_NOT_BLESSED'}", b"")
    blessing.set_int_custom_property("blessed", int(blessed))
    blessing.set_int_custom_property("has_model", 0)

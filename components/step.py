"""What our steps have in common: a step is given its inputs and settings by the names of its interface."""

import json
from typing import Any

import pydantic
from tfx import types
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.component_spec import ExecutionParameter

Artifacts = dict[str, list[types.Artifact]]
"""Inputs or outputs of a step, by name."""
TEXT = ExecutionParameter(type=str)
"""Type of a setting; one that is no text goes to the executor as JSON."""


class Step(BaseComponent):
    """A step of the pipeline; each output gets a channel of its type.

    Args:
      **given: inputs and settings, as SPEC_CLASS names them. Options (pydantic), dicts, lists and tuples become JSON.
        `code` is the fingerprint of the code behind the step, so that TFX's cache notices when it changes; "" if it is
        left out.

    Raises:
      TypeError, ValueError: of TFX, for one that is missing, unknown, or of another type.
    """

    def __init__(self, **given: Any):
        super().__init__(self.SPEC_CLASS(**arguments(self.SPEC_CLASS, given)))


class BeamStep(Step, BaseBeamComponent):
    """The same for a step whose executor runs on Beam."""


def arguments(spec: type[types.ComponentSpec], given: dict[str, Any]) -> dict[str, Any]:
    """Return what the interface `spec` is made with, if a step is `given` this; as in Step."""
    outputs = {key: types.Channel(type=of.type) for key, of in spec.OUTPUTS.items()}
    return {"code": "", **outputs, **{key: _as_property(value) for key, value in given.items()}}


def _as_property(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump_json()
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value

"""Base classes of our steps: inputs and settings are passed by the names of the step's interface."""

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
"""Type of a setting; other values than text are passed to the executor as JSON."""


class Step(BaseComponent):
    """A step of the pipeline; each output gets a channel of its type.

    Args:
      **given: inputs and settings by their names in SPEC_CLASS. Options (pydantic), dicts, lists and tuples become
        JSON. `code` is the fingerprint of the step's code, so that a change invalidates TFX's cache; "" by default.

    Raises:
      TypeError, ValueError: raised by TFX if an input or setting is missing, unknown, or of another type.
    """

    def __init__(self, **given: Any):
        super().__init__(self.SPEC_CLASS(**arguments(self.SPEC_CLASS, given)))


class BeamStep(Step, BaseBeamComponent):
    """A step whose executor runs on Beam."""


def arguments(spec: type[types.ComponentSpec], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the interface `spec` for the inputs and settings `given` to a step."""
    outputs = {key: types.Channel(type=of.type) for key, of in spec.OUTPUTS.items()}
    return {"code": "", **outputs, **{key: _as_property(value) for key, value in given.items()}}


def _as_property(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump_json()
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value

"""The model that serves, for steps that need it: whether it can be compared with a candidate, and a copy of it."""

import logging
import os
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

import nsynth
from components import storage
from components.registry import Registry
from components.version import Version

if TYPE_CHECKING:  # a run looks at what serves before it imports TFX
    from tfx import types

VERSION_PROPERTY = "version"
"""Custom property of the copy: its number, 0 if nothing serves."""
_SIGNATURE = "serving_default"


def copy_serving(
    target: "types.Artifact",
    destination: str,
    told: int | None = None,
    candidate: "types.Artifact | None" = None,
) -> int:
    """Copy the version to beat into an artifact; leave an empty folder if there is none.

    Args:
      target: a Model, which gets VERSION_PROPERTY.
      destination: the folder that the model server watches.
      told: the version that serves, as a driver found out; none looks here, as on Kubeflow, where none runs.
      candidate: the model that will be compared with it. Once it has been pushed, the version to beat is the one that
        it was compared with then.

    Returns:
      The number of the version, 0 if there is none.

    Raises:
      nsynth.UserError: it is not a model of this pipeline, or was altered, so that nothing can be compared with it.
    """
    from tfx.utils import path_utils

    registry, folder = Registry(destination), path_utils.serving_model_dir(target.uri)
    number = registry.to_beat(path_utils.serving_model_dir(candidate.uri) if candidate else None, told)
    try:
        if number:
            record = registry.get(number).record
            registry.copy(number, folder)
    except nsynth.UserError:
        logging.warning("version %s is gone: the model is judged by the absolute thresholds alone", number)
        number = 0
    if number:
        check_version(Version(number, folder, record))
    os.makedirs(target.uri, exist_ok=True)
    target.set_int_custom_property(VERSION_PROPERTY, number)
    return number


def check_champion(destination: str) -> None:
    """Make sure before anything is computed that the model that serves answers as ours do.

    Args:
      destination: the folder that the model server watches.

    Raises:
      nsynth.UserError: it does not, or cannot be read.
    """
    serving = Registry(destination).serving()
    if serving is not None:
        check_version(serving)


def check_version(version: Version) -> None:
    """Do the same for a version. One that has been judged is ours, as long as its files are those that were judged.

    Raises:
      nsynth.UserError: they are not; or it takes no Examples, or answers with something else than a probability of
        each family.
    """
    if version.record.digest:
        try:
            return version.check()
        except nsynth.UserError as error:  # a candidate must not win against a champion that has been damaged
            raise nsynth.UserError(
                f"{error}. Roll back to another version (nsynth models rollback)"
            ) from error
    if fault := _fault(storage.read_bytes(f"{version.path}/{storage.LAST_FILE}")):
        raise nsynth.UserError(
            f"{version.path} is serving but is not a model of this pipeline: {fault}. No candidate can be compared "
            "with it. Move it out of the folder, or push to another one (push.destination)"
        )


def _fault(saved_model: bytes) -> str:
    """Return what is wrong with the content of a saved_model.pb; empty if nothing is."""
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        graphs = saved_model_pb2.SavedModel.FromString(saved_model).meta_graphs
    except DecodeError:
        return f"its {storage.LAST_FILE} is damaged"
    signature = next((g.signature_def[_SIGNATURE] for g in graphs if _SIGNATURE in g.signature_def), None)
    if signature is None:
        return f"it has no signature {_SIGNATURE}"
    if set(signature.inputs) != {"examples"} or signature.inputs["examples"].dtype != types_pb2.DT_STRING:
        return f"its signature {_SIGNATURE} takes {', '.join(sorted(signature.inputs)) or 'nothing'}, not examples"
    shape = (
        signature.outputs["probabilities"].tensor_shape.dim if "probabilities" in signature.outputs else ()
    )
    if [dim.size for dim in shape][1:] != [len(nsynth.CLASSES)]:
        wanted = f"probabilities of {len(nsynth.CLASSES)} {nsynth.LABEL.plural}"
        return f"its signature {_SIGNATURE} does not answer with {wanted}"
    return ""

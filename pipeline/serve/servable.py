"""A version that is loaded: its graph in a session of TensorFlow's, as TensorFlow Serving runs it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import nsynth
from components import storage
from components.version import Version
from pipeline.classify import tensorflow_without_keras
from pipeline.serve.errors import ApiError
from pipeline.serve.tensors import TensorSpec

_STATUS = {
    "CANCELLED": 499, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400, "ABORTED": 409,
    "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "UNAUTHENTICATED": 401,
}  # fmt: skip
"""Error code of TensorFlow → HTTP status; 500 for others."""


@dataclass(frozen=True)
class Signature:
    """What a signature takes and gives, by name."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]

    @property
    def batches(self) -> bool:
        """Whether rows of several requests may share a call: the first dimension of all tensors is free."""
        specs = [*self.inputs.values(), *self.outputs.values()]
        return all(spec.shape is None or (spec.shape and spec.shape[0] is None) for spec in specs)


class Servable:
    """A model that answers; it is freed with the last request that holds it."""

    def __init__(self, version: Version):
        """Check the files of a version, load them and play its warm-up requests.

        Raises:
            nsynth.UserError: the files are not those that were judged, or TensorFlow cannot load them.
        """
        version.check()
        tf = tensorflow_without_keras()
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # of v1's functions it says that they are old
        self.number = version.number
        self._errors = tf.errors
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], version.path)
            graph.finalize()
            self._definitions = loaded.signature_def
            self.signatures = {
                name: Signature(_specs(definition.inputs), _specs(definition.outputs))
                for name, definition in self._definitions.items()
                if definition.inputs
            }
            self._warm_up(version.path)
        except (OSError, RuntimeError, ValueError, ApiError, tf.errors.OpError) as error:
            self._session.close()
            reason = str(error).partition("\n")[0]
            raise nsynth.UserError(f"version {version.number} cannot be loaded: {reason}") from error

    def signature(self, name: str) -> Signature:
        """Return the signature of this name.

        Raises:
            ApiError: there is none.
        """
        if name not in self.signatures:
            raise ApiError(400, f'Serving signature name: "{name}" not found in signature def')
        return self.signatures[name]

    def method(self, name: str) -> str:
        """Return what a signature says that it is for, such as tensorflow/serving/predict."""
        self.signature(name)
        return self._definitions[name].method_name

    def run(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Ask a signature.

        Args:
            name: of the signature.
            inputs: an array for each of its inputs.

        Returns:
            An array for each of its outputs.

        Raises:
            ApiError: TensorFlow refuses them.
        """
        signature = self.signature(name)
        fetched = {output: spec.tensor for output, spec in signature.outputs.items()}
        feed = {signature.inputs[key].tensor: array for key, array in inputs.items()}
        try:
            return {key: np.asarray(value) for key, value in self._session.run(fetched, feed).items()}
        except self._errors.OpError as error:
            code = getattr(error, "error_code", None)
            known = next((n for n in _STATUS if getattr(self._errors, n) == code), "")
            words = error.message.removeprefix("Graph execution error:").strip().partition("\n\n")[0]
            raise ApiError(_STATUS.get(known, 500), words) from error

    def metadata(self) -> dict[str, Any]:
        """Return all signatures, as TensorFlow Serving describes them."""
        from google.protobuf import json_format
        from tensorflow_serving.apis import get_model_metadata_pb2

        definitions = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in self._definitions.items():
            definitions.signature_def[name].CopyFrom(definition)
        return json_format.MessageToDict(
            definitions, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

    def _warm_up(self, folder: str) -> None:
        """Play the recorded requests, so that no user waits for the first call; without them, do nothing."""
        from components.pusher.warmup import MAX_REQUESTS, WARMUP_FILE, read_requests

        tf = tensorflow_without_keras()
        path = f"{folder}/{WARMUP_FILE}"
        if not storage.exists(path):
            return
        for request in read_requests(storage.read_bytes(path), path)[:MAX_REQUESTS]:
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            self.run(request.model_spec.signature_name or "serving_default", inputs)


def _specs(infos: Any) -> dict[str, TensorSpec]:
    tf = tensorflow_without_keras()
    specs = {}
    for name, info in infos.items():
        dtype = tf.dtypes.as_dtype(info.dtype)
        shape = None
        if not info.tensor_shape.unknown_rank:
            shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
        specs[name] = TensorSpec(np.dtype(dtype.as_numpy_dtype), shape, info.name)
    return specs

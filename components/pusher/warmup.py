"""Warm-up requests: a server replays them before a new version may answer, so that no user waits for it.

Format: a TFRecord of `PredictionLog` messages, at most 1,000
(https://www.tensorflow.org/tfx/serving/saved_model_warmup).
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

import nsynth
from components import storage

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_REQUESTS = 1000

Signatures = Mapping[str, meta_graph_pb2.SignatureDef]


def warmup_requests(model_folder: str) -> bytes:
    """The model's own warm-up file, checked against its signatures; one silent note each if it brings none.

    Raises:
      nsynth.UserError: the file that the model brings cannot be read, or does not fit its signatures.
    """
    signatures = _signatures(model_folder)
    path = f"{model_folder}/{WARMUP_FILE}"
    if storage.exists(path):
        content = storage.read_bytes(path)
        _check(content, signatures, path)
        return content
    with tempfile.TemporaryDirectory() as folder:
        name = f"{folder}/requests"
        with tf.io.TFRecordWriter(name) as writer:
            for request in _silent_requests(signatures):
                log = prediction_log_pb2.PredictLog(request=request)
                writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
        return Path(name).read_bytes()


def read_requests(content: bytes) -> list[predict_pb2.PredictRequest]:
    """Requests of a warm-up file.

    Raises:
      nsynth.UserError: it is not a TFRecord of PredictionLog messages.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            records = [record.numpy() for record in tf.data.TFRecordDataset(file.name)]
            return [prediction_log_pb2.PredictionLog.FromString(r).predict_log.request for r in records]
        except (tf.errors.DataLossError, DecodeError) as error:
            raise nsynth.UserError(f"not a file of warm-up requests: {error}") from error


def _check(content: bytes, signatures: Signatures, path: str) -> None:
    requests = read_requests(content)
    if not 0 < len(requests) <= MAX_REQUESTS:
        raise nsynth.UserError(f"{path} holds {len(requests)} requests; a server takes 1 to {MAX_REQUESTS}")
    for request in requests:
        name = request.model_spec.signature_name or "serving_default"
        if name not in signatures:
            raise nsynth.UserError(f"{path} calls the signature {name}, which the model does not have")
        wanted = {key: info.dtype for key, info in signatures[name].inputs.items()}
        given = {key: tensor.dtype for key, tensor in request.inputs.items()}
        if wanted != given:
            raise nsynth.UserError(
                f"{path} gives {name} the inputs {sorted(given)}; it takes {sorted(wanted)}"
            )


def _signatures(model_folder: str) -> Signatures:
    model = saved_model_pb2.SavedModel.FromString(storage.read_bytes(f"{model_folder}/{storage.LAST_FILE}"))
    return model.meta_graphs[0].signature_def


def _silent_requests(signatures: Signatures) -> Iterator[predict_pb2.PredictRequest]:
    """One note of silence for every signature that takes a waveform or serialized Examples."""
    silence = np.zeros(nsynth.NOTE_SAMPLES, np.float32)
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=silence))
    example = tf.train.Example(features=tf.train.Features(feature={nsynth.AUDIO: feature}))
    by_dtype = {
        tf.float32.as_datatype_enum: tf.make_tensor_proto(silence[None]),
        tf.string.as_datatype_enum: tf.make_tensor_proto([example.SerializeToString()]),
    }
    for name, signature in sorted(signatures.items()):
        inputs = list(signature.inputs.items())
        if name.startswith("serving_") and len(inputs) == 1 and inputs[0][1].dtype in by_dtype:
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = name
            request.inputs[inputs[0][0]].CopyFrom(by_dtype[inputs[0][1].dtype])
            yield request

"""Warm-up requests: a server replays them before a new version may answer, so that no user waits for it.

The Trainer writes them beside the model. Format: a TFRecord of `PredictionLog` messages, at most 1,000
(https://www.tensorflow.org/tfx/serving/saved_model_warmup).
"""

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

import nsynth
from components import storage, tfrecord

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_REQUESTS = 1000


def check_warmup(model_folder: str) -> None:
    """See to it that a server can replay the requests; if it could not, it would not take the model.

    Raises:
      nsynth.UserError: there are none or too many, they cannot be read, or do not fit the model's signatures.
    """
    path = f"{model_folder}/{WARMUP_FILE}"
    if not storage.exists(path):
        raise nsynth.UserError(
            f"{model_folder} has no warm-up requests ({WARMUP_FILE}): export it with the Trainer"
        )
    requests = read_requests(storage.read_bytes(path), path)
    if not 0 < len(requests) <= MAX_REQUESTS:
        raise nsynth.UserError(f"{path} holds {len(requests)} requests; a server takes 1 to {MAX_REQUESTS}")
    model = saved_model_pb2.SavedModel.FromString(storage.read_bytes(f"{model_folder}/{storage.LAST_FILE}"))
    signatures = model.meta_graphs[0].signature_def
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


def read_requests(content: bytes, path: str) -> list[predict_pb2.PredictRequest]:
    """Return the requests of a warm-up file.

    Args:
      content: of the file.
      path: of the file, for messages.

    Raises:
      nsynth.UserError: it is not a TFRecord of PredictionLog messages.
    """
    try:
        logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in tfrecord.records(content)]
    except (ValueError, tfrecord.DamagedEverywhereError, DecodeError) as error:
        raise nsynth.UserError(f"{path} is not a file of warm-up requests") from error
    return [log.predict_log.request for log in logs]

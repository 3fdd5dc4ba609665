"""What the step Report recorded of a run in ML Metadata, asked for as Kubeflow's own page asks: by gRPC-Web.

Kubeflow's API knows states and times of a run and of its tasks, but neither values nor why a task failed. The launcher
records the values of outputs in ML Metadata, as custom properties of artifacts, and the server behind the page
(ml-pipeline-ui, and the gateway of a full Kubeflow) passes such requests on. The API's own server (ml-pipeline) does
not.
"""

import re
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

import nsynth
from kubeflow.connection import Server
from kubeflow.groups import REPORT
from pipeline import web

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as mlmd

SERVICE = "/ml_metadata.MetadataStoreService/"
"""Below the root of the host, also where the API itself is at https://host/pipeline."""
CONTENT_TYPE = "application/grpc-web+proto"
RUN_CONTEXT = "system.PipelineRun"
"""Its context of this type is named by the run's id."""
_TASK_NAME = "task_name"  # custom property of an execution
_FRAME = struct.Struct(">BI")  # kind of what follows, and its length in bytes
_MESSAGE, _TRAILERS = 0x00, 0x80
_TIMEOUT_S = 10
_NO_SUCH_PATH = (404, 405, 501)


def recorded(server: Server, run_id: str) -> dict[str, dict[str, Any]]:
    """Return the values that Report recorded, by the key of its output; empty if it recorded none yet.

    Raises:
      nsynth.UserError: the host does not answer for ML Metadata, in one line.
    """
    context = _ask(server, "GetContextByTypeAndName", type_name=RUN_CONTEXT, context_name=run_id).context
    if not context.id:
        return {}
    executions = _ask(server, "GetExecutionsByContext", context_id=context.id).executions
    reports = [e.id for e in executions if e.custom_properties[_TASK_NAME].string_value == REPORT]
    if not reports:
        return {}
    events = _ask(server, "GetEventsByExecutionIDs", execution_ids=reports).events
    keys = {e.artifact_id: e.path.steps[0].key for e in events if e.type == e.OUTPUT and e.path.steps}
    if not keys:
        return {}
    artifacts = _ask(server, "GetArtifactsByID", artifact_ids=sorted(keys)).artifacts
    return {keys[a.id]: {k: _plain(v) for k, v in a.custom_properties.items()} for a in artifacts}


def _ask(server: Server, method: str, **fields: Any) -> Any:
    """Call a method of ML Metadata's service; return its response."""
    from google.protobuf.message import DecodeError
    from ml_metadata.proto import metadata_store_service_pb2 as service  # no TensorFlow, 0.1 s

    request = getattr(service, f"{method}Request")(**fields).SerializeToString()
    headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE, "X-Grpc-Web": "1"}
    headers |= {"Authorization": f"Bearer {server.token}"} if server.token else {}
    try:
        answer = web.request(
            urljoin(server.host, SERVICE + method), _TIMEOUT_S, _FRAME.pack(_MESSAGE, len(request)) + request,
            headers,
        )  # fmt: skip
        response = getattr(service, f"{method}Response")()
        response.ParseFromString(_message_of(answer))
        return response
    except web.RequestError as error:
        if error.status in _NO_SUCH_PATH:
            raise nsynth.UserError(
                f"{web.host_of(server.host)} does not forward requests to ML Metadata ({error}): "
                "forward the port of ml-pipeline-ui, not of ml-pipeline"
            ) from error
        raise nsynth.UserError(f"ML Metadata at {web.host_of(server.host)} {error}") from error
    except (ValueError, DecodeError) as error:
        raise nsynth.UserError(
            f"{web.host_of(server.host)} does not answer as ML Metadata ({error})"
        ) from error


def _message_of(answer: bytes) -> bytes:
    """Return the message in the frames of an answer.

    Raises:
      ValueError: the frames are incomplete, or the trailers tell of an error.
    """
    message, position = None, 0
    while position < len(answer):
        if position + _FRAME.size > len(answer):
            raise ValueError("incomplete frame")
        kind, length = _FRAME.unpack_from(answer, position)
        start, position = position + _FRAME.size, position + _FRAME.size + length
        if kind not in (_MESSAGE, _TRAILERS) or position > len(answer):
            raise ValueError("not gRPC-Web, or cut off")
        content = answer[start:position]
        if kind == _MESSAGE:
            message = (message or b"") + content
        else:
            _check(content.decode(errors="replace"))
    if message is None:
        raise ValueError("no message")
    return message


def _check(trailers: str) -> None:
    """Raise the error that trailers tell of."""
    found = dict(re.findall(r"^([\w-]+): *(.*?)\s*$", trailers.lower(), re.MULTILINE))
    if found.get("grpc-status", "0") != "0":
        raise ValueError(f"status {found['grpc-status']}: {unquote(found.get('grpc-message', ''))}")


def _plain(value: "mlmd.Value") -> Any:
    """Return a property as JSON would have it."""
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        from google.protobuf import json_format

        return json_format.MessageToDict(value.struct_value)
    return getattr(value, kind) if kind else None

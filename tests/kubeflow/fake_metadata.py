"""ML Metadata in memory, filled as KFP's driver and launcher fill it, and asked by gRPC-Web as Envoy passes it on.

What answers is ML Metadata's own code, the same as in its server: requests and responses go through it serialized.
"""

import itertools
import struct
from typing import Any
from urllib.parse import quote

from google.protobuf import json_format
from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from ml_metadata.proto import metadata_store_service_pb2 as service

FRAME = struct.Struct(">BI")
TYPES = {"page": "system.HTML", "figures": "system.Metrics", "confusion": "system.ClassificationMetrics"}


class FakeMetadata:
    """A metadata store with the runs of a cluster."""

    def __init__(self) -> None:
        config = mlmd.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = MetadataStore(config)
        self._pods = itertools.count(1)

    def add_run(self, run: str, pipeline: str = "nsynth") -> list[mlmd.Context]:
        """What the driver of the root does: contexts of pipeline and run, and the execution of the graph."""
        made = []
        for kind, name in (("system.Pipeline", pipeline), ("system.PipelineRun", run)):
            found = self.store.get_context_by_type_and_name(kind, name)
            if found is None:
                type_id = self.store.put_context_type(mlmd.ContextType(name=kind))
                properties = {"namespace": mlmd.Value(string_value="kubeflow")} if name == run else {}
                new = mlmd.Context(type_id=type_id, name=name, custom_properties=properties)
                [new.id] = self.store.put_contexts([new])
                found = new
            made.append(found)
        self._execute(made, "system.DAGExecution", "", {})
        return made

    def add_step(self, run: str, task: str, outputs: dict[str, dict[str, Any]]) -> None:
        """What driver and launcher do for a step: an execution with its outputs; metadata by the output's key."""
        self._execute(self.add_run(run), "system.ContainerExecution", task, outputs)

    def _execute(self, contexts: list[mlmd.Context], kind: str, task: str, outputs: dict[str, Any]) -> None:
        execution = mlmd.Execution(
            type_id=self.store.put_execution_type(mlmd.ExecutionType(name=kind)),
            last_known_state=mlmd.Execution.COMPLETE,
            custom_properties={
                "task_name": mlmd.Value(string_value=task), "display_name": mlmd.Value(string_value=task),
                "pod_name": mlmd.Value(string_value=f"pod-{next(self._pods)}"),
            },
        )  # fmt: skip
        pairs = []
        for key, metadata in outputs.items():
            type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=TYPES.get(key, "tfx.File")))
            artifact = mlmd.Artifact(type_id=type_id, uri=f"minio://bucket/{key}", state=mlmd.Artifact.LIVE)
            for name, value in {**metadata, "display_name": key}.items():
                artifact.custom_properties[name].CopyFrom(as_stored(value))
            event = mlmd.Event(type=mlmd.Event.OUTPUT)
            event.path.steps.add().key = key
            pairs.append((artifact, event))
        self.store.put_execution(execution, pairs, contexts)

    def answer(self, method: str, body: bytes) -> bytes:
        """The frames that answer the frames of a request."""
        kind, length = FRAME.unpack_from(body)
        assert (kind, length) == (0, len(body) - FRAME.size)
        request = getattr(service, f"{method}Request").FromString(body[FRAME.size :])
        response = getattr(service, f"{method}Response")()
        try:
            self.store._call(method, request, response)
        except errors.StatusError as error:
            return frame(
                0x80, f"grpc-status:{error.error_code}\r\ngrpc-message:{quote(str(error))}\r\n".encode()
            )
        return frame(0, response.SerializeToString()) + frame(0x80, b"grpc-status:0\r\n")


def frame(kind: int, content: bytes) -> bytes:
    return FRAME.pack(kind, len(content)) + content


def as_stored(value: Any) -> mlmd.Value:
    """A value of the executor's answer as the launcher files it: numbers are doubles, lists and dicts wrapped."""
    if isinstance(value, str):
        return mlmd.Value(string_value=value)
    if isinstance(value, (int, float)):
        return mlmd.Value(double_value=value)
    made = mlmd.Value()
    json_format.ParseDict({"list" if isinstance(value, list) else "struct": value}, made.struct_value)
    return made

"""A workspace whose history a test writes: steps, artifacts and what read what, as TFX keeps them."""

import json
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.config import Config
from pipeline.history.metadata import connect
from pipeline.history.past_runs import NODE_CONTEXT, RUN_CONTEXT

RUN = "2026-03-01T10:00:00.000000"


class Workspace:
    """A workspace and its history."""

    def __init__(self, folder: Path):
        self.config = Config(workspace=folder, name="nsynth-test")
        self.store = connect(self.config.metadata)
        self._execution_type = self.store.put_execution_type(mlmd.ExecutionType(name="step"))
        self._contexts = {
            kind: self.store.put_context_type(mlmd.ContextType(name=kind))
            for kind in (RUN_CONTEXT, NODE_CONTEXT)
        }

    def folder(self, step: str, key: str, number: int = 1) -> Path:
        """Where an artifact lies; made if it does not exist."""
        folder = self.config.artifacts / step / key / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def artifact(self, kind: str, folder: Path, **properties: str | int) -> int:
        """Id of a new artifact."""
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=kind))
        artifact = mlmd.Artifact(type_id=type_id, uri=str(folder), state=mlmd.Artifact.LIVE)
        _set(artifact, properties)
        [number] = self.store.put_artifacts([artifact])
        return number

    def step(
        self,
        name: str,
        read: dict[str, list[int]],
        made: dict[str, list[int]],
        state: str = "COMPLETE",
        run: str = RUN,
        **properties: Any,
    ) -> int:
        """Id of a new execution; `read` and `made` are ids of artifacts by key."""
        state_number = mlmd.Execution.State.Value(state)
        execution = mlmd.Execution(type_id=self._execution_type, last_known_state=state_number)
        _set(execution, properties)
        [number] = self.store.put_executions([execution])
        contexts = [self._context(RUN_CONTEXT, run), self._context(NODE_CONTEXT, f"nsynth-test.{name}")]
        self.store.put_attributions_and_associations(
            [], [mlmd.Association(execution_id=number, context_id=context) for context in contexts]
        )
        for kind, by_key in ((mlmd.Event.INPUT, read), (mlmd.Event.OUTPUT, made)):
            for key, artifacts in by_key.items():
                path = mlmd.Event.Path(steps=[mlmd.Event.Path.Step(key=key)])
                self.store.put_events(
                    mlmd.Event(type=kind, artifact_id=a, execution_id=number, path=path) for a in artifacts
                )
        return number

    def _context(self, kind: str, name: str) -> int:
        if found := self.store.get_context_by_type_and_name(kind, name):
            return found.id
        return self.store.put_contexts([mlmd.Context(type_id=self._contexts[kind], name=name)])[0]


def _set(node: mlmd.Artifact | mlmd.Execution, properties: dict[str, Any]) -> None:
    for name, value in properties.items():
        if isinstance(value, int):
            node.custom_properties[name].int_value = value
        else:
            node.custom_properties[name].string_value = value if isinstance(value, str) else json.dumps(value)

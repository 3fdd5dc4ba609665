"""A history as TFX would write it, with a file for each artifact; no TFX is needed for it."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.registry import Registry
from components.version import Record
from pipeline.history.metadata import connect


class History:
    """Writes runs into a metadata store as TFX would, with a file for each artifact."""

    def __init__(self, config):
        self.config, self.store = config, connect(config.metadata)
        self._execution = self.store.put_execution_type(mlmd.ExecutionType(name="step"))
        self._run = self.store.put_context_type(mlmd.ContextType(name="pipeline_run"))
        self._node = self.store.put_context_type(mlmd.ContextType(name="node"))

    def artifact(self, step: str, key: str, number: int) -> mlmd.Artifact:
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=key))
        folder = self.config.artifacts / step / key / str(number)
        folder.mkdir(parents=True)
        (folder / "content").write_bytes(b"x" * 1000)
        artifact = mlmd.Artifact(type_id=type_id, uri=str(folder), state=mlmd.Artifact.LIVE)
        [artifact.id] = self.store.put_artifacts([artifact])
        return artifact

    def context(self, kind: str, type_id: int, name: str) -> int:
        if found := self.store.get_context_by_type_and_name(kind, name):
            return found.id
        return self.store.put_contexts([mlmd.Context(type_id=type_id, name=name)])[0]

    def step(self, run: str, made=(), used=(), state=mlmd.Execution.COMPLETE, node: str = "") -> int:
        node = node or (Path(made[0].uri).parts[-3] if made else "nothing")
        contexts = [
            self.context("pipeline_run", self._run, run),
            self.context("node", self._node, f"nsynth.{node}"),
        ]
        execution = mlmd.Execution(type_id=self._execution, last_known_state=state)
        [execution.id] = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [mlmd.Association(execution_id=execution.id, context_id=context) for context in contexts]
        )
        events = [(mlmd.Event.OUTPUT, a) for a in made] + [(mlmd.Event.INPUT, a) for a in used]
        self.store.put_events(
            mlmd.Event(type=kind, artifact_id=a.id, execution_id=execution.id) for kind, a in events
        )
        return execution.id

    def whole_run(
        self, run: str, number: int, span: int, model_pushed: bool = False
    ) -> dict[str, mlmd.Artifact]:
        """Examples of a span, with their account → transformed → model; pushes the model if asked to."""
        examples = self.artifact(f"ExampleGen-{span:06d}", "Examples", number)
        account = self.artifact(f"ExampleGen-{span:06d}", "Quarantine", number)
        transformed = self.artifact("Transform", "Examples", number)
        model = self.artifact("Trainer", "Model", number)
        self.step(run, made=[examples, account])
        self.step(run, made=[transformed], used=[examples])
        self.step(run, made=[model], used=[transformed])
        if model_pushed:
            Registry(self.config.models).publish(
                lambda folder: Path(folder, "saved_model.pb").write_bytes(b"m"), Record(model_uri=model.uri)
            )
        return {"examples": examples, "account": account, "transformed": transformed, "model": model}

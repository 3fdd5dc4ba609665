"""What past runs did, read from ML Metadata: steps, their states and the artifacts that they made or reused."""

import datetime
from dataclasses import dataclass, field
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from pipeline.history.endings import ENDING, LOG, REASON, SETTINGS, VERDICT
from pipeline.history.metadata import connect, is_server

RUN_CONTEXT = "pipeline_run"
NODE_CONTEXT = "node"
_RECENT = 5  # runs: of older ones the code was another
_MADE = (mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT, mlmd.Event.DECLARED_OUTPUT)


@dataclass(frozen=True)
class Output:
    """One artifact of a step."""

    id: int
    type: str
    uri: str
    properties: dict[str, str | int | float]
    cleaned_up: bool = False
    """Whether housekeeping has removed its files."""
    address: str = ""
    """Of one that a cluster's step made: where it is in the object store. Its URI is what is kept of it."""

    @property
    def path(self) -> Path:
        """Its folder, where it lies on this machine."""
        return Path(self.uri)


@dataclass(frozen=True)
class Step:
    """One execution of a node in a run; `seconds` is its wall time."""

    name: str
    state: str
    seconds: float
    execution_id: int
    outputs: dict[str, list[Output]] = field(default_factory=dict)
    inputs: dict[str, list[Output]] = field(default_factory=dict)
    properties: dict[str, str | int | float] = field(default_factory=dict)
    """What the step was told: its execution properties, as TFX keeps them."""
    started: float = 0.0
    """Unix seconds."""

    def output(self, key: str) -> Output | None:
        """Return the one artifact under `key`, if the step made it."""
        return next(iter(self.outputs.get(key, [])), None)


@dataclass(frozen=True)
class Run:
    """One run of the pipeline; `name` is the time at which it was started."""

    name: str
    steps: dict[str, Step]
    ending: str = ""
    """`failed` or `interrupted`; empty if it came to its end, still runs, was killed, or is older than this record."""
    reason: str = ""
    """Why it failed."""
    settings: str = ""
    """The configuration that it ran with, as JSON."""
    log: str = ""
    """The file with its messages."""
    verdict: str = ""
    """Of refused data, as JSON, if that is why it failed."""

    def folder(self, step: str, key: str) -> Path | None:
        """Return the folder of what a step made, none if the run has no such step or the step did not make it."""
        output = self.output(step, key)
        return output.path if output else None

    def output(self, step: str, key: str) -> Output | None:
        """Return what a step made under `key`, none if the run has no such step or the step did not make it."""
        return self.steps[step].output(key) if step in self.steps else None


def is_there(where: Path | str) -> bool:
    """Return whether there is a history: `where` is `config.metadata`. Of a server it is taken for granted."""
    return is_server(where) or Path(where).exists()


def open_store(where: Path | str) -> MetadataStore:
    """Open the history: `where` is `config.metadata`.

    Raises:
      UserError: there is none yet, or its server does not answer.
    """
    if not is_there(where):
        raise nsynth.UserError(f"no run yet: {where} does not exist; start one with `nsynth run`")
    return connect(where)


def run_names(store: MetadataStore) -> list[str]:
    """Return the names of all runs, the newest first."""
    # Not by name, which is a local time: an hour of it comes twice when summer time ends.
    contexts = sorted(store.get_contexts_by_type(RUN_CONTEXT), key=lambda context: context.id, reverse=True)
    return [context.name for context in contexts]


def usual_seconds(where: Path | str) -> dict[str, float]:
    """Return step → seconds that it took when it last ended and was not cached; `where` is `config.metadata`."""
    if not is_there(where):
        return {}
    store = open_store(where)
    seconds: dict[str, float] = {}
    for name in run_names(store)[:_RECENT]:
        for step in load_run(store, name).steps.values():
            if step.state == "COMPLETE":
                seconds.setdefault(step.name, step.seconds)
    return seconds


def newest_run(where: Path | str) -> str:
    """Name of the newest run, empty if there is none; `where` is `config.metadata`."""
    return next(iter(run_names(open_store(where))), "") if is_there(where) else ""


def load_run(store: MetadataStore, name: str | None = None) -> Run:
    """Read one run, by default the newest; `name` may be the beginning of one, if no other begins so.

    Raises:
      UserError: there is no such run, or there are several.
    """
    names = run_names(store)
    found = [name] if name in names else [known for known in names if known.startswith(name or "")]
    if not found or (name and len(found) > 1):
        trouble = f"{len(found)} runs begin with" if found else "no run"
        raise nsynth.UserError(f"{trouble} {name or ''}; known: {', '.join(names[:5]) or 'none'}")
    context = store.get_context_by_type_and_name(RUN_CONTEXT, found[0])
    executions = store.get_executions_by_context(context.id)
    steps = {step.name: step for step in (_step(store, e) for e in sorted(executions, key=lambda e: e.id))}
    kept = (context.custom_properties[name].string_value for name in (ENDING, REASON, SETTINGS, LOG, VERDICT))
    return Run(context.name, steps, *kept)


def maker(store: MetadataStore, artifact: int) -> tuple[str, Step] | None:
    """Return the run and the step that made an artifact; later runs that took it from the cache are not meant."""
    events = store.get_events_by_artifact_ids([artifact])
    made = sorted({event.execution_id for event in events if event.type in _MADE})
    if not made:
        return None
    (execution,) = store.get_executions_by_id(made[:1])
    contexts = store.get_contexts_by_execution(execution.id)
    return next((c.name for c in contexts if c.type == RUN_CONTEXT), ""), _step(store, execution)


def readers(store: MetadataStore, artifact: int) -> list[str]:
    """Return the names of the steps that read an artifact."""
    events = store.get_events_by_artifact_ids([artifact])
    read = sorted({event.execution_id for event in events if event.type not in _MADE})
    return list(dict.fromkeys(_step(store, e).name for e in store.get_executions_by_id(read)))


def find_artifact(store: MetadataStore, artifact: int | str) -> Output | None:
    """Return the artifact with this id, or at this URI."""
    found = (
        store.get_artifacts_by_id([artifact])
        if isinstance(artifact, int)
        else store.get_artifacts_by_uri(artifact)
    )
    return _output(found[-1]) if found else None


def _step(store: MetadataStore, execution: mlmd.Execution) -> Step:
    contexts = store.get_contexts_by_execution(execution.id)
    node = next(c.name for c in contexts if c.type == NODE_CONTEXT)
    events = store.get_events_by_execution_ids([execution.id])
    return Step(
        name=node.rpartition(".")[2],
        state=mlmd.Execution.State.Name(execution.last_known_state),
        seconds=(execution.last_update_time_since_epoch - execution.create_time_since_epoch) / 1000,
        execution_id=execution.id,
        outputs=_artifacts(store, [e for e in events if e.type in _MADE]),
        inputs=_artifacts(store, [e for e in events if e.type not in _MADE]),
        properties=_properties(execution),
        started=execution.create_time_since_epoch / 1000,
    )


def _artifacts(store: MetadataStore, events: list[mlmd.Event]) -> dict[str, list[Output]]:
    found = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    by_key: dict[str, list[Output]] = {}
    for event in events:
        key = next(step.key for step in event.path.steps if step.HasField("key"))
        by_key.setdefault(key, []).append(_output(found[event.artifact_id]))
    return by_key


def _output(artifact: mlmd.Artifact) -> Output:
    cleaned_up = artifact.state == mlmd.Artifact.DELETED
    return Output(artifact.id, artifact.type, artifact.uri, _properties(artifact), cleaned_up)


def _properties(node: mlmd.Artifact | mlmd.Execution) -> dict[str, str | int | float]:
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in (*node.properties.items(), *node.custom_properties.items())
        if value.WhichOneof("value") in ("string_value", "int_value", "double_value")
    }


def started(run: Run) -> datetime.datetime:
    """When the run was started, local time. On a cluster its name is no time: there by its first step."""
    try:
        return datetime.datetime.fromisoformat(run.name)
    except ValueError:
        return datetime.datetime.fromtimestamp(min(step.started for step in run.steps.values()))

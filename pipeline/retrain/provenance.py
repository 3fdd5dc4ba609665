"""Which artifacts came from which, on this machine and on a cluster's claim, and which of them are still needed.

Needed is what the runs to keep made, reused or read; what the champion was made of, the model and all that it came
from; of the other versions in the model folder the same but for the notes, which a way back to them does not take;
and what belongs to a span of the window.
"""

import dataclasses
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Self

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from components import claim
from components.registry import Registry
from pipeline.history import past_runs
from pipeline.history.identity import tail_of
from pipeline.step_names import kind_of, span_of

_MADE = {mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT, mlmd.Event.DECLARED_OUTPUT}
# TFX's names of types; importing TFX takes seconds.
_CACHE = "TransformCache"
_NOTES = "Examples"
_ASKS = "Predictor"


@dataclasses.dataclass(frozen=True)
class Node:
    """An artifact, wherever it is recorded."""

    type: str
    step: str
    place: str
    """By which the record of a version names it: below the workspace's artifacts, or <run>/<step>/<output>."""


class Graph:
    """Artifacts and executions of a whole history, and who made what."""

    def __init__(self, artifacts: dict[Hashable, Node]):
        self.artifacts = artifacts
        self._maker: dict[Hashable, Hashable] = {}
        self._made: dict[Hashable, set[Hashable]] = {}
        self._used: dict[Hashable, set[Hashable]] = {}
        self._runs: dict[str, set[Hashable]] = {}

    @classmethod
    def of_store(cls, store: MetadataStore) -> Self:
        """Read the history of TFX's local runner; artifacts are known by their ids."""
        graph = cls(
            {
                a.id: Node(a.type, Path(a.uri).parent.parent.name, tail_of(a.uri))
                for a in store.get_artifacts()
            }
        )
        executions = sorted(execution.id for execution in store.get_executions())
        events = store.get_events_by_execution_ids(executions) if executions else []
        for event in sorted(events, key=lambda event: event.execution_id):
            graph.add(event.execution_id, event.artifact_id, made=event.type in _MADE)
        for context in store.get_contexts_by_type(past_runs.RUN_CONTEXT):
            graph._runs[context.name] = {e.id for e in store.get_executions_by_context(context.id)}
        return graph

    @classmethod
    def of_claim(cls, records: Iterable[claim.Record]) -> Self:
        """Read the records of a cluster's steps; artifacts are known by their places."""
        records = list(records)
        graph = cls(
            {o.place: Node(o.type, record.step, o.place) for record in records for o in record.outputs}
        )
        for record in records:
            execution = (record.run, record.step)
            graph._runs.setdefault(record.run, set()).add(execution)
            for place in record.inputs:
                if place in graph.artifacts:  # else it has gone
                    graph.add(execution, place, made=False)
            for output in record.outputs:
                graph.add(execution, output.place, made=True)
        return graph

    def add(self, execution: Hashable, artifact: Hashable, made: bool) -> None:
        """Note what an execution made or read; of several that made the same, the first counts, others reused it."""
        if made:
            self._maker.setdefault(artifact, execution)
        (self._made if made else self._used).setdefault(execution, set()).add(artifact)

    def of_runs(self, names: Iterable[str]) -> set[Hashable]:
        """Return all that these runs made, reused or read."""
        executions = set[Hashable]().union(*(self._runs.get(name, set()) for name in names))
        return set().union(*(side.get(e, set()) for e in executions for side in (self._made, self._used)))

    def behind(self, artifacts: Iterable[Hashable]) -> set[Hashable]:
        """Return these, all that they were made of, and what was made along with it, such as the account of the notes.

        But for Transform's caches, which only save time: each comes from the one before, so that none would ever go.
        """
        found: set[Hashable] = set()
        waiting = list(artifacts)
        while waiting:
            artifact = waiting.pop()
            if artifact not in found and self.artifacts[artifact].type != _CACHE:
                found.add(artifact)
                maker = self._maker.get(artifact)
                waiting += self._used.get(maker, set()) | self._made.get(maker, set())
        return found

    def without_notes(self, artifacts: Iterable[Hashable]) -> set[Hashable]:
        """Return these without notes and spectrograms, which are nearly all of the bytes; answers are small."""
        return {
            artifact
            for artifact in artifacts
            if self.artifacts[artifact].type != _NOTES or kind_of(self.artifacts[artifact].step) == _ASKS
        }

    def of_spans(self, spans: Iterable[int]) -> set[Hashable]:
        """Return what the steps of these spans made."""
        wanted = set(spans)
        return {artifact for artifact, node in self.artifacts.items() if span_of(node.step) in wanted}

    def at(self, places: Iterable[str]) -> set[Hashable]:
        """Return the artifacts at these places."""
        wanted = set(places) - {""}
        return {artifact for artifact, node in self.artifacts.items() if node.place in wanted}


@dataclasses.dataclass(frozen=True)
class Pushed:
    """Where the Trainer left the models of the versions in the model folder, by their places."""

    champion: str
    all: frozenset[str]

    @classmethod
    def read(cls, models: str) -> Self:
        """Read the records of all versions.

        Raises:
          nsynth.UserError: the record of a version cannot be read.
        """
        registry = Registry(models)
        serving = registry.serving()
        damaged = [version for version in registry.versions() if version.fault]
        if damaged:
            raise nsynth.UserError(
                f"nothing was removed: {damaged[0].fault}. The origin of version {damaged[0].number} is unknown: "
                "restore its record from a backup, or remove that version"
            )
        places = frozenset(_place(version.record.model_uri) for version in registry.versions())
        return cls(_place(serving.record.model_uri) if serving else "", places)


def _place(uri: str) -> str:
    """By the place in the workspace, which may have had another address when the model was pushed."""
    if "://" not in uri:
        return tail_of(uri)
    try:
        return "/".join(claim.place_of(uri))
    except nsynth.UserError:
        return ""


def needed(graph: Graph, runs: Iterable[str], pushed: Pushed, spans: Iterable[int]) -> set[Hashable]:
    """Decide which artifacts stay.

    Args:
      graph: the history.
      runs: names of the runs that stay whole.
      pushed: the versions.
      spans: numbers of the spans in the window.
    """
    champion = graph.at({pushed.champion})
    others = graph.at(pushed.all) - champion
    found = graph.of_runs(runs) | graph.of_spans(spans)
    return found | graph.behind(champion) | graph.without_notes(graph.behind(others))

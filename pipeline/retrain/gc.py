"""Housekeeping: which artifacts nobody needs any more, and their removal.

Needed is what the newest runs made or reused, and the last one that came to its end; what the champion was made of,
the model and all that it came from; of the other versions in the model folder the same but for the notes, which a
way back to them does not take; and what belongs to a span of the window. The rest goes: first marked DELETED in the
metadata, so that TFX's cache does not offer it, then the files. A crash in between leaves a folder that no artifact
claims; such folders, left by killed steps too, go the next time.
"""

import dataclasses
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import rich.console
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.filesize import decimal

import nsynth
from components.registry import Registry
from components.storage import disk_use
from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.history.identity import open_own, tail_of
from pipeline.history.metadata import is_server
from pipeline.history.outputs import TRASH, Outputs
from pipeline.history.own_files import Reserve
from pipeline.report import INDEX
from pipeline.retrain import lock
from pipeline.retrain.round import Retraining
from pipeline.step_names import kind_of, span_of
from pipeline.tables import listing

_MADE = {mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT, mlmd.Event.DECLARED_OUTPUT}
_UNFINISHED = {mlmd.Execution.NEW, mlmd.Execution.RUNNING}
# TFX's names of types; importing TFX takes seconds.
_CACHE = "TransformCache"
_NOTES = "Examples"
_ASKS = "Predictor"


@dataclasses.dataclass(frozen=True)
class Item:
    """A folder or file that may go."""

    path: Path
    size_bytes: int
    why: str
    artifact: int | None = None
    """Its id in the metadata, if it is an artifact."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What would go, and how much stays."""

    items: tuple[Item, ...]
    kept_bytes: int

    @property
    def size_bytes(self) -> int:
        """What removing it would free."""
        return sum(item.size_bytes for item in self.items)

    def told(self) -> dict[str, Any]:
        """Ready for JSON."""
        items = [dataclasses.asdict(item) | {"path": str(item.path)} for item in self.items]
        return {"items": items, "size_bytes": self.size_bytes, "kept_bytes": self.kept_bytes}

    def print(self, console: rich.console.Console, removed: bool) -> None:
        """A row for each kind of thing, then the sum."""
        table = listing("what", "folders", "size", right=("folders", "size"), fold=("what",))
        for why in sorted({item.why for item in self.items}):
            group = [item for item in self.items if item.why == why]
            table.add_row(why, str(len(group)), decimal(sum(item.size_bytes for item in group)))
        if self.items:
            console.print(table)
        verb = "removed" if removed else "would go (--yes removes)"
        console.print(f"{decimal(self.size_bytes)} {verb}, {decimal(self.kept_bytes)} stay", highlight=False)


def clean(config: Config, name: str, remove: bool) -> Plan:
    """Plans under the lock, so that no round runs, and removes if asked to.

    Args:
      config: all settings; the policy is `retrain.cleanup`.
      name: of the caller, for the lock.
      remove: remove what is planned.

    Raises:
      lock.LockedError: a round is running.
    """
    with lock.hold(Retraining(config).lock_file, name, is_round=False):
        return clean_alone(config, remove)


def clean_alone(config: Config, remove: bool) -> Plan:
    """The same for a caller that holds the lock."""
    if not is_server(config.metadata) and not Path(config.metadata).exists():
        if config.artifacts.is_dir() and any(config.artifacts.iterdir()):
            raise nsynth.UserError(
                f"nothing was removed: {config.artifacts} is not empty, but the history {config.metadata} is not "
                "there. Put it back, or move the folder away by hand"
            )
        return Plan((), 0)
    reserve = Reserve(config.workspace / "retrain")
    if remove:
        reserve.give_up()  # on a full disk the history has no room to note what goes
    try:
        store = open_own(config.workspace, config.metadata)
        plan = make_plan(config, store)
        if remove:
            carry_out(plan, store, config.artifacts)
        return plan
    finally:
        if remove:
            reserve.make()


def make_plan(config: Config, store: MetadataStore) -> Plan:
    """Decides what may go; changes nothing.

    Raises:
      nsynth.UserError: history and disk do not agree.
    """
    outputs = Outputs(store, config.artifacts)
    outputs.check()
    graph = _Graph(store)
    names = past_runs.run_names(store)
    kept = set(names[: config.retrain.cleanup.keep_runs]) | ({_last_complete(config)} & set(names))
    needed = graph.of_runs(kept)
    champion, others = _pushed(config, graph)
    needed |= graph.behind(champion) | graph.without_notes(graph.behind(others))
    needed |= graph.of_spans(_window(config))
    # A folder may be known twice: a cache is imported by the next run.
    needed_uris = {graph.artifacts[artifact].uri for artifact in needed}
    items = [
        Item(path, disk_use(path), "artifacts that nothing needs", artifact.id)
        for artifact in graph.artifacts.values()
        if artifact.state == mlmd.Artifact.LIVE and artifact.uri not in needed_uris
        if (path := outputs.path_of(artifact))
    ]
    items += [Item(path, disk_use(path), "left-overs of steps") for path in outputs.left_over()]
    items += _old_logs(config)
    items += _old_reports(config)
    size = sum(item.size_bytes for item in items)
    return Plan(tuple(items), disk_use(config.workspace) - size)


def carry_out(plan: Plan, store: MetadataStore, artifacts: Path) -> None:
    """Removes what is planned."""
    gone = [item.artifact for item in plan.items if item.artifact is not None]
    marked = store.get_artifacts_by_id(gone)
    for artifact in marked:
        artifact.state = mlmd.Artifact.DELETED
    store.put_artifacts(marked)
    remove(item.path for item in plan.items)
    _remove_empty(Path(os.path.realpath(artifacts)), Outputs(store, artifacts).claimed)


def sweep(config: Config, store: MetadataStore) -> list[Path]:
    """Removes what killed steps left and marks their executions as failed. Only for the holder of the lock.

    Returns:
      The folders that went.
    """
    killed = [e for e in store.get_executions() if e.last_known_state in _UNFINISHED]
    for execution in killed:
        execution.last_known_state = mlmd.Execution.FAILED
    if killed:
        store.put_executions(killed)
    outputs, ids = Outputs(store, config.artifacts), {str(execution.id) for execution in killed}
    left = [path for path in outputs.left_over() if path.name in ids and outputs.knows(path)]
    remove(left)
    return left


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders; a folder first takes another name, so that nobody sees half of it."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            trash = path.with_name(f"{TRASH}-{path.name}-{os.getpid()}")
            path.rename(trash)
            shutil.rmtree(trash)
        else:
            path.unlink(missing_ok=True)


class _Graph:
    """Artifacts and executions of the whole history, and who made what."""

    def __init__(self, store: MetadataStore):
        self._store = store
        self.artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
        self._maker: dict[int, int] = {}
        self._made: dict[int, set[int]] = {}
        self._used: dict[int, set[int]] = {}
        self._all: dict[int, set[int]] = {}
        executions = [execution.id for execution in store.get_executions()]
        for event in store.get_events_by_execution_ids(executions) if executions else ():
            self._all.setdefault(event.execution_id, set()).add(event.artifact_id)
            if event.type in _MADE:  # the first one made it, later ones took it from the cache
                first = self._maker.get(event.artifact_id, event.execution_id)
                self._maker[event.artifact_id] = min(first, event.execution_id)
                self._made.setdefault(event.execution_id, set()).add(event.artifact_id)
            else:
                self._used.setdefault(event.execution_id, set()).add(event.artifact_id)

    def of_runs(self, names: Iterable[str]) -> set[int]:
        """All that these runs made, reused or read."""
        contexts = [self._store.get_context_by_type_and_name(past_runs.RUN_CONTEXT, name) for name in names]
        executions = (e for context in contexts for e in self._store.get_executions_by_context(context.id))
        return set().union(*(self._all.get(execution.id, set()) for execution in executions))

    def behind(self, artifacts: Iterable[int]) -> set[int]:
        """These, all that they were made of, and what was made along with it, such as the account of the notes.

        But for Transform's caches, which only save time: each comes from the one before, so that none would ever go.
        """
        found: set[int] = set()
        waiting = list(artifacts)
        while waiting:
            artifact = waiting.pop()
            if artifact not in found and self.artifacts[artifact].type != _CACHE:
                found.add(artifact)
                maker = self._maker.get(artifact, -1)
                waiting += self._used.get(maker, set()) | self._made.get(maker, set())
        return found

    def without_notes(self, artifacts: Iterable[int]) -> set[int]:
        """These but for notes and spectrograms, which are nearly all of the bytes; what was answered is small."""
        return {
            artifact
            for artifact in artifacts
            if self.artifacts[artifact].type != _NOTES
            or kind_of(Path(self.artifacts[artifact].uri).parent.parent.name) == _ASKS
        }

    def of_spans(self, spans: Iterable[int]) -> set[int]:
        """What the steps of these spans made."""
        wanted = set(spans)
        return {
            artifact.id
            for artifact in self.artifacts.values()
            if span_of(Path(artifact.uri).parent.parent.name) in wanted
        }


def _pushed(config: Config, graph: _Graph) -> tuple[set[int], set[int]]:
    """The model that serves, and those of the other versions in the model folder, as the Trainer left them.

    Raises:
      nsynth.UserError: the record of a version cannot be read.
    """
    registry = Registry(config.models)
    serving = registry.serving()
    damaged = [version for version in registry.versions() if version.fault]
    if damaged:
        raise nsynth.UserError(
            f"nothing was removed: {damaged[0].fault}. So nobody knows what version {damaged[0].number} was made of: "
            "restore its record from a backup, or remove that version"
        )
    # By its place in the workspace, which may have had another address when it was pushed.
    tails = {tail_of(version.record.model_uri) for version in registry.versions()} - {""}
    models = {artifact.id for artifact in graph.artifacts.values() if tail_of(artifact.uri) in tails}
    champion = {
        model
        for model in models
        if serving and tail_of(graph.artifacts[model].uri) == tail_of(serving.record.model_uri)
    }
    return champion, models - champion


def _window(config: Config) -> list[int]:
    if config.retrain.spans is None or not config.retrain.spans.is_dir():
        return []
    return [span.number for span in Retraining(config).work().window]


def _last_complete(config: Config) -> str:
    """The run whose spectrograms the next round takes over."""
    runs = [line.run for line in Retraining(config).ledger.rounds() if line.outcome.settles and line.run]
    return runs[-1] if runs else ""


def _old_logs(config: Config) -> Iterator[Item]:
    oldest = time.time() - config.retrain.cleanup.keep_logs_days * 86_400
    for path in (config.workspace / "logs").glob("*.log"):
        if path.stat().st_mtime < oldest:
            yield Item(path, path.stat().st_size, "old logs")


def _old_reports(config: Config) -> Iterator[Item]:
    pages = (path for path in (config.workspace / "reports").glob("*.html") if path.name != INDEX)
    newest_first = sorted(pages, reverse=True)
    for path in newest_first[config.retrain.cleanup.keep_reports :]:
        yield Item(path, path.stat().st_size, "old reports")


def _remove_empty(artifacts: Path, claimed: set[Path]) -> None:
    """Removes folders of steps that hold nothing any more; an artifact may be an empty folder."""
    for folder, _, _ in os.walk(artifacts, topdown=False):
        if Path(folder) not in claimed | {artifacts} and not os.listdir(folder):
            os.rmdir(folder)

"""Housekeeping: which artifacts nobody needs any more, and their removal.

What is needed says provenance.py. The rest goes: first marked DELETED in the metadata, so that TFX's cache does not
offer it, then the files; on a cluster's claim the cache is lifted first. A crash in between leaves a folder that no
artifact claims; such folders, left by killed steps too, go the next time.
"""

import contextlib
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
from components.claim import Claim
from components.ingest import files
from components.storage import disk_use
from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.history.identity import open_own
from pipeline.history.metadata import is_server
from pipeline.history.outputs import TRASH, Outputs
from pipeline.history.own_files import Reserve
from pipeline.retrain import lock
from pipeline.retrain.old_files import MAY_RUN_S, last_complete, old_files
from pipeline.retrain.provenance import Graph, Pushed, needed
from pipeline.retrain.round import Retraining
from pipeline.tables import listing

_UNFINISHED = {mlmd.Execution.NEW, mlmd.Execution.RUNNING}
_MAY_WORK_S = 7 * MAY_RUN_S  # a step that began so long ago was killed
UNNEEDED, LEFT_OVER = "artifacts no longer needed", "leftovers of killed steps"


@dataclasses.dataclass(frozen=True)
class Item:
    """A folder or file that may go."""

    path: Path
    size_bytes: int
    why: str
    artifact: int | str | None = None
    """If it is an artifact: its id in the metadata, or <run>/<step>/<output> on a cluster's claim."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What can be removed, and how much is kept."""

    items: tuple[Item, ...]
    kept_bytes: int

    @property
    def size_bytes(self) -> int:
        """Disk space that removing it frees."""
        return sum(item.size_bytes for item in self.items)

    def told(self) -> dict[str, Any]:
        """Return the plan, ready for JSON."""
        items = [dataclasses.asdict(item) | {"path": str(item.path)} for item in self.items]
        return {"items": items, "size_bytes": self.size_bytes, "kept_bytes": self.kept_bytes}

    def print(self, console: rich.console.Console, removed: bool) -> None:
        """Print a row for each kind of thing, then the sum."""
        table = listing("what", "folders", "size", right=("folders", "size"), fold=("what",))
        for why in sorted({item.why for item in self.items}):
            group = [item for item in self.items if item.why == why]
            table.add_row(why, str(len(group)), decimal(sum(item.size_bytes for item in group)))
        if self.items:
            console.print(table)
        verb = "removed" if removed else "can be removed (use --yes)"
        console.print(f"{decimal(self.size_bytes)} {verb}, {decimal(self.kept_bytes)} kept", highlight=False)


def clean(config: Config, name: str, remove: bool) -> Plan:
    """Plan under the lock, so that no round runs, and remove if asked to.

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
    """Return the same for a caller that holds the lock."""
    claim = Claim(config.workspace)
    is_known = is_server(config.metadata) or Path(config.metadata).exists()
    if not is_known and config.artifacts.is_dir() and any(config.artifacts.iterdir()):
        raise nsynth.UserError(
            f"nothing was removed: {config.artifacts} is not empty, but the history {config.metadata} does "
            "not exist. Restore it, or move the folder away"
        )
    if not is_known and not claim.root.is_dir():
        return Plan((), 0)
    reserve = Reserve(config.workspace / "retrain")
    if remove:
        reserve.give_up()  # on a full disk the history has no room to note what goes
    try:
        store = open_own(config.workspace, config.metadata) if is_known else None
        plan = make_plan(config, store)
        if remove:
            carry_out(plan, config, store)
        return plan
    finally:
        if remove:
            reserve.make()


def make_plan(config: Config, store: MetadataStore | None) -> Plan:
    """Decide what may go; change nothing.

    Args:
      config: all settings.
      store: the history of local runs, if there is one.

    Raises:
      nsynth.UserError: history and disk do not agree, or a record cannot be read.
    """
    pushed, window, complete = Pushed.read(config.models), _window(config), last_complete(config)
    items = [*_of_claim(config, pushed, window, complete)]
    items += [Item(path, disk_use(path), why) for path, why in old_files(config)]
    if store:
        items += _of_store(config, store, pushed, window, complete)
    size = sum(item.size_bytes for item in items)
    return Plan(tuple(items), disk_use(config.workspace) - size)


def _of_store(
    config: Config, store: MetadataStore, pushed: Pushed, window: list[int], complete: str
) -> Iterator[Item]:
    outputs = Outputs(store, config.artifacts)
    outputs.check()
    names = past_runs.run_names(store)
    kept = set(names[: config.retrain.cleanup.keep_runs]) | ({complete} & set(names))
    stay = needed(Graph.of_store(store), kept, pushed, window)
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
    # A folder may be known twice: a cache is imported by the next run.
    stay_uris = {artifacts[artifact].uri for artifact in stay}
    for artifact in artifacts.values():
        is_live = artifact.state == mlmd.Artifact.LIVE
        if is_live and artifact.uri not in stay_uris and (path := outputs.path_of(artifact)):
            yield Item(path, disk_use(path), UNNEEDED, artifact.id)
    for path in outputs.left_over():
        yield Item(path, disk_use(path), LEFT_OVER)


def _of_claim(config: Config, pushed: Pushed, window: list[int], complete: str) -> Iterator[Item]:
    """Yield what runs on a cluster left; those that may still be running stay whole."""
    claim = Claim(config.workspace)
    records = claim.records()
    ended: dict[str, float] = {}
    for record in records:
        if record.outputs:
            ended[record.run] = max(record.ended, ended.get(record.run, 0))
    newest_first = sorted(ended, key=lambda run: ended[run], reverse=True)
    recent = {run for run in ended if time.time() - ended[run] < MAY_RUN_S}
    left_over = [
        (path, is_draft, time.time() - path.lstat().st_mtime) for path, is_draft in claim.left_over(records)
    ]
    recent |= {path.parent.name for path, is_draft, age in left_over if is_draft and age < _MAY_WORK_S}
    kept = {*newest_first[: config.retrain.cleanup.keep_runs], *recent, complete}
    stay = needed(Graph.of_claim(records), kept, pushed, window)
    for output in (output for record in records for output in record.outputs):
        path = claim.folder(output.place)
        if output.place not in stay and path.exists():
            yield Item(path, disk_use(path), UNNEEDED, output.place)
    kept |= {place.partition("/")[0] for place in pushed.all}
    for path, is_draft, age in left_over:
        if age > (_MAY_WORK_S if is_draft else MAY_RUN_S) and (is_draft or path.parent.name not in kept):
            yield Item(path, disk_use(path), LEFT_OVER)


def carry_out(plan: Plan, config: Config, store: MetadataStore | None) -> None:
    """Remove what is planned."""
    claim = Claim(config.workspace)
    places = [item.artifact for item in plan.items if isinstance(item.artifact, str)]
    if places:
        claim.lift()
    if store:
        marked = store.get_artifacts_by_id([i.artifact for i in plan.items if isinstance(i.artifact, int)])
        for artifact in marked:
            artifact.state = mlmd.Artifact.DELETED
        store.put_artifacts(marked)
    remove(item.path for item in plan.items)
    claim.forget(places)
    for run in claim.runs.glob("*"):
        with contextlib.suppress(OSError):  # it holds something
            run.rmdir()
    if store:
        _remove_empty(Path(os.path.realpath(config.artifacts)), Outputs(store, config.artifacts).claimed)


def sweep(config: Config, store: MetadataStore) -> list[Path]:
    """Remove what killed steps left and mark their executions as failed. Only for the holder of the lock.

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
    """Remove files and folders; a folder first takes another name, so that nobody sees half of it."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            trash = path.with_name(f"{TRASH}-{path.name}-{os.getpid()}")
            path.rename(trash)
            shutil.rmtree(trash)
        else:
            path.unlink(missing_ok=True)


def _window(config: Config) -> list[int]:
    spans = config.retrain.spans
    try:
        if spans is None or not files.is_folder(spans):
            return []
        return [span.number for span in Retraining(config).work().window]
    except OSError as error:
        raise nsynth.UserError(
            f"nothing was removed: {spans} cannot be read ({error.strerror or error}), so the data of its spans is kept"
        ) from error


def _remove_empty(artifacts: Path, claimed: set[Path]) -> None:
    """Remove folders of steps that hold nothing any more; an artifact may be an empty folder."""
    for folder, _, _ in os.walk(artifacts, topdown=False):
        if Path(folder) not in claimed | {artifacts} and not os.listdir(folder):
            os.rmdir(folder)

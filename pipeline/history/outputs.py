"""The folders that steps made in a workspace, held against what the history knows of them.

What the history does not know is nobody's to remove: it may have been emptied or taken from another workspace, or the
workspace was moved without it. Then nothing goes, and the user is told.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from pipeline.history import past_runs

TRASH = ".trash"
_SYSTEM = ".system"
_DRIVERS = "driver_execution"
_SLACK_S = 60.0  # a file system on another machine has another clock


class Outputs:
    """The output folders of a workspace, and which of them the history accounts for."""

    def __init__(self, store: MetadataStore, artifacts: Path):
        self._root = Path(os.path.realpath(artifacts))
        self._artifacts = store.get_artifacts()
        self._started = {e.id: e.create_time_since_epoch / 1000 for e in store.get_executions()}
        self._steps: dict[int, str] = {}
        for node in store.get_contexts_by_type(past_runs.NODE_CONTEXT):
            for execution in store.get_executions_by_context(node.id):
                self._steps[execution.id] = node.name.rpartition(".")[2]
        # Of an output with several artifacts, such as Transform's of several spans, each has a folder within the one
        # that TFX made for the execution.
        self._known = {folder: a.state for a in self._artifacts for folder in self._folders(a)}

    @property
    def claimed(self) -> set[Path]:
        """Folders that belong to artifacts that are still there."""
        live = (a for a in self._artifacts if a.state == mlmd.Artifact.LIVE)
        return {folder for artifact in live for folder in self._folders(artifact)}

    def folders(self) -> Iterator[Path]:
        """Yield the folders that TFX made for steps, <step>/<output>/<execution> and <step>/.system, and our trash."""
        for pattern in ("*/*/*", f"*/{_SYSTEM}/*/*"):
            for path in self._root.glob(pattern):
                if path.is_dir() and (path.name.isdecimal() or path.name.startswith(TRASH)):
                    yield path

    def left_over(self) -> list[Path]:
        """Return the folders that no artifact claims."""
        claimed = self.claimed
        return [path for path in self.folders() if path not in claimed]

    def path_of(self, artifact: mlmd.Artifact) -> Path | None:
        """Return the folder of an artifact, if it is there and lies in this workspace."""
        path = self._resolved(artifact.uri)
        return path if path.is_relative_to(self._root) and path.exists() else None

    def check(self) -> None:
        """Make sure that history and disk speak of the same.

        Raises:
          nsynth.UserError: they do not; nothing may be removed then.
        """
        live = [artifact for artifact in self._artifacts if artifact.state == mlmd.Artifact.LIVE]
        outside = [a.uri for a in live if not self._resolved(a.uri).is_relative_to(self._root)]
        if outside:
            raise nsynth.UserError(
                f"nothing was removed: the history lists {len(outside):,} artifacts outside of {self._root}, such as "
                f"{outside[0]}. It belongs to another workspace: check `workspace` and `metadata_server`"
            )
        unknown = [path for path in self.folders() if not self.knows(path)]
        if unknown:
            raise nsynth.UserError(
                f"nothing was removed: the history does not list {len(unknown):,} of the folders in {self._root}, such "
                f"as {unknown[0]}. It was emptied, or belongs to another workspace: restore the right history, or move "
                "these folders away"
            )

    def knows(self, path: Path) -> bool:
        """Return whether the history accounts for a folder: an artifact was there, or its execution made it."""
        if path in self._known:
            return True
        step, output = path.relative_to(self._root).parts[:2]
        if output == _SYSTEM and path.parent.name == _DRIVERS:  # numbered by the time
            return step in self._steps.values()
        number = path.name.removeprefix(f"{TRASH}-").partition("-")[0]
        if not number.isdecimal() or int(number) not in self._started:
            return False
        execution = int(number)
        # Numbers begin anew in an emptied history: then a folder is older than the execution with its number.
        made = path.lstat().st_mtime
        return self._steps.get(execution) == step and made >= self._started[execution] - _SLACK_S

    def _folders(self, artifact: mlmd.Artifact) -> tuple[Path, Path]:
        path = self._resolved(artifact.uri)
        return path, path.parent

    def _resolved(self, uri: str) -> Path:
        # Its parents alone: an artifact may be gone, and a link in its place leads elsewhere.
        return Path(os.path.realpath(os.path.dirname(uri)), os.path.basename(uri))

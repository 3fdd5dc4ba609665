"""Opens the workspace: every command that reads one goes through here before anything else.

What is opened is found under one name, however it was reached. One that was moved takes along what its history
recorded, and a copy becomes a workspace of its own, before it reads or removes anything.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nsynth
from pipeline.config import Config
from pipeline.history import identity
from pipeline.history.identity import Identity
from pipeline.history.metadata import connect
from pipeline.retrain import lock

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_HISTORY = "metadata.sqlite"
_PARTS = (identity.ARTIFACTS, _HISTORY, "models", "accepted", "checkpoints", "retrain", "retrain/rounds.jsonl",
          "retrain/lock")  # fmt: skip
"""What two workspaces must not share."""


class Opened(NamedTuple):
    """An opened workspace."""

    config: Config
    """The configuration with the one name of the workspace: absolute, without links."""
    message: str
    """A line for people, if anything was carried over."""


def open_workspace(config: Config, create: bool = False) -> Opened:
    """Find out which workspace `config.workspace` is.

    Args:
      config: all settings.
      create: make the folder and its identity where there is none.

    Raises:
      nsynth.UserError: it cannot be written, although it was moved, copied or is to be made; or a copy shares files
        with its original.
      lock.LockedError: somebody works in it, although it was moved or copied.
    """
    folder = Path(os.path.realpath(config.workspace))
    if create:
        _make(folder)
    message = ""
    if folder.is_dir():
        folder, message = _identify(folder, config.metadata_server)
    return Opened(config.model_copy(update={"workspace": folder}), message)


def _make(folder: Path) -> None:
    try:
        os.makedirs(folder, exist_ok=True)  # Path.mkdir tells of a missing parent, not of the true cause
    except OSError as error:
        raise identity.unwritable(folder, error) from error
    if not _has_past(folder) and identity.read(folder) is None:
        identity.write(folder, Identity(address=str(folder)))


def _has_past(folder: Path) -> bool:
    """Return whether runs have left anything here."""
    return any((folder / name).exists() for name in (identity.ARTIFACTS, _HISTORY))


def _identify(folder: Path, server: str | None) -> tuple[Path, str]:
    """Return the name of the workspace, and a line if what it recorded had to be carried over."""
    known = identity.read(folder)
    if known and identity.same_folder(known.address, folder):
        return Path(known.address), ""  # which may be another mount of the same folder
    if known is None and not (_has_past(folder) and os.access(folder, os.W_OK)):
        return folder, ""
    if known is None and server and not _answers(server):
        return folder, ""  # whoever needs the history will say so
    original = known.address if known else _original(folder, server)
    if original and known is None and server:
        raise nsynth.UserError(
            f"the history on the metadata server names artifacts in the workspace {original}, which is still there. If "
            f"{folder} is a copy of it, name another database (metadata_server); if {original} is not needed, remove it"
        )
    if known and not identity.lives_at(known.address, known.id):
        original = ""
    for part in _PARTS:
        if original and identity.same_folder(Path(original) / part, folder / part):
            raise nsynth.UserError(
                f"{folder} is a copy of the workspace {original}, but {part} is still the original's (a link): "
                "copy the files themselves (cp -rL), so that neither can damage the other"
            )
    try:
        with lock.hold(folder / "retrain" / "lock", "nsynth", is_round=False):
            if original:
                return folder, _part(folder, original, server)
            if known:
                return folder, _move(folder, known, server)
            return folder, _adopt(folder, server)
    except lock.LockedError:
        if known:
            raise
        return folder, ""  # a version from before there were identities is at work: it does without
    except OSError as error:
        raise identity.unwritable(folder, error) from error


def _answers(server: str) -> bool:
    try:
        connect(server)
    except nsynth.UserError:
        return False
    return True


def _original(folder: Path, server: str | None) -> str:
    """Return the workspace that one without an identity is a copy of; empty if it is none, or nobody can tell."""
    if not server and not (folder / _HISTORY).exists():
        return ""
    others = _others(folder, connect(server or folder / _HISTORY))
    return next((root for root in others if _has_past(Path(root))), "")


def _others(folder: Path, store: "MetadataStore") -> list[str]:
    """Other folders, still there, in which the history says that artifacts lie."""
    roots = identity.roots_of(artifact.uri for artifact in store.get_artifacts())
    there = (root for root in sorted(roots) if os.path.isabs(root) and os.path.isdir(root))
    return [root for root in there if not identity.same_folder(root, folder)]


def _part(folder: Path, original: str, server: str | None) -> str:
    """Make a copy a workspace of its own; nothing in the original is touched."""
    own = Identity(address=str(folder))
    if server:
        identity.write(folder, own)
        return (
            f"{folder} is a copy of the workspace {original} and has an identity of its own now; the history on the "
            "metadata server stays with the original: name another database for the copy"
        )
    count = _carry_over(folder, own, server)
    return f"{folder} is a copy of the workspace {original} and has an identity of its own now: {_carried(count)}"


def _move(folder: Path, known: Identity, server: str | None) -> str:
    count = _carry_over(folder, known.model_copy(update={"address": str(folder)}), server)
    return f"the workspace was moved from {known.address} to {folder}: {_carried(count)}"


def _adopt(folder: Path, server: str | None) -> str:
    """Give a workspace from before there were identities one."""
    count = _carry_over(folder, Identity(address=str(folder)), server)
    return f"the workspace {folder} has an identity now: {_carried(count)}" if count else ""


def _carry_over(folder: Path, own: Identity, server: str | None) -> int:
    """Let the history name what lies here, then write the identity; killed in between, it is done again."""
    count = 0
    if server or (folder / _HISTORY).exists():
        store = connect(server or folder / _HISTORY)
        if server:
            identity.claim(store, own)
        # A file belongs to this workspace alone; on a server there may be artifacts of another one.
        count = identity.carry_over(store, folder, _others(folder, store) if server else ())
    identity.write(folder, own)
    return count


def _carried(count: int) -> str:
    return f"{count:,} recorded addresses carried over"

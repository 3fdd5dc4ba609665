"""Who a workspace is: an id of its own, with the address at which it was last used.

A path is no identity: the same folder has several (links, bind mounts), and a copy has another one than its original,
while the history that lies in both names the same artifacts. So the id lies in the folder (`workspace.json`), and in
a history on a server, which a copy would share with its original.
"""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic

import atomic
import nsynth
from pipeline.history.metadata import connect, is_server

if TYPE_CHECKING:  # seconds to import, and most commands need not
    from ml_metadata.metadata_store import MetadataStore

FILE = "workspace.json"
ARTIFACTS = "artifacts"
_CONTEXT = "nsynth_workspace"


class Identity(pydantic.BaseModel, frozen=True):
    """Content of `workspace.json`."""

    id: str = pydantic.Field(default_factory=lambda: uuid.uuid4().hex, min_length=1)
    address: str
    """The folder where it was last used, absolute, without links."""


def read(folder: Path) -> Identity | None:
    """Return the identity that lies in a folder; None if there is none.

    Raises:
      nsynth.UserError: it cannot be read.
    """
    file = folder / FILE
    try:
        return Identity.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, pydantic.ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise nsynth.UserError(
            f"{file} cannot be read ({why}): restore it from a backup. If there is none and the folder is not a copy "
            "of another workspace that is still in use, remove the file; it is then created again"
        ) from error


def write(folder: Path, identity: Identity) -> None:
    """Put the identity into a folder, whole or not at all.

    Raises:
      nsynth.UserError: the folder cannot be written.
    """
    try:
        atomic.write(folder / FILE, identity.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> nsynth.UserError:
    """Return the error for a workspace that is not writable."""
    return nsynth.UserError(
        f"cannot write to the workspace {folder}: {error.strerror} ({error.filename}). "
        "Choose another with --set workspace=..."
    )


def same_folder(one: Path | str, other: Path | str) -> bool:
    """Return whether both are the same folder, on whatever way it is reached."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def lives_at(address: str, identity: str) -> bool:
    """Return whether a workspace with this id lies at `address`; also where that cannot be told."""
    try:
        found = read(Path(address))
    except nsynth.UserError:
        return True
    return found is not None and found.id == identity


def tail_of(uri: str) -> str:
    """Return the part of an artifact's URI below `<workspace>/artifacts/`; empty if it is none of a workspace's."""
    if "://" in uri:
        return ""
    _, found, tail = f"/{uri}".rpartition(f"/{ARTIFACTS}/")
    return tail if found else ""


def roots_of(uris: Iterable[str]) -> set[str]:
    """Return the workspaces that these URIs name, as they name them."""
    return {uri[: -len(f"{ARTIFACTS}/{tail}")].rstrip("/") or "." for uri in uris if (tail := tail_of(uri))}


def carry_over(store: "MetadataStore", folder: Path, leave: Iterable[str] = ()) -> int:
    """Let the history name all artifacts as what lies in `folder`, in one transaction.

    Args:
      store: the history.
      folder: the workspace.
      leave: roots (`roots_of`) that belong to somebody else.

    Returns:
      How many artifacts were named otherwise.
    """
    others, carried = set(leave), []
    for artifact in store.get_artifacts():
        tail = tail_of(artifact.uri)
        here = f"{folder}/{ARTIFACTS}/{tail}"
        if tail and artifact.uri != here and not roots_of([artifact.uri]) & others:
            artifact.uri = here
            carried.append(artifact)
    if carried:
        store.put_artifacts(carried)
    return len(carried)


def open_own(folder: Path, where: Path | str) -> "MetadataStore":
    """Open the history of a workspace to add to it or to remove what it names.

    Args:
      folder: the workspace.
      where: `config.metadata`.

    Raises:
      nsynth.UserError: it cannot be opened, or is on a server and belongs to another workspace.
    """
    store = connect(where)
    if is_server(where) and (known := read(folder)):
        claim(store, known)
    return store


def claim(store: "MetadataStore", identity: Identity) -> None:
    """Write into a history on a server to whom it belongs.

    Raises:
      nsynth.UserError: it belongs to another workspace.
    """
    owner = _owner(store)
    if owner and owner.id != identity.id and lives_at(owner.address, owner.id):
        raise nsynth.UserError(
            f"the history on the metadata server belongs to the workspace {owner.address}; "
            f"{identity.address} is a copy of it or uses its database: set another database (metadata_server)"
        )
    if owner != identity:
        from ml_metadata.proto import metadata_store_pb2 as mlmd

        type_id = store.put_context_type(mlmd.ContextType(name=_CONTEXT))
        known = store.get_context_by_type_and_name(_CONTEXT, _CONTEXT)
        context = known or mlmd.Context(type_id=type_id, name=_CONTEXT)
        context.custom_properties["identity"].string_value = identity.model_dump_json()
        store.put_contexts([context])


def _owner(store: "MetadataStore") -> Identity | None:
    known = store.get_contexts_by_type(_CONTEXT)
    return (
        Identity.model_validate_json(known[0].custom_properties["identity"].string_value) if known else None
    )

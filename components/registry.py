"""The versions in the folder that a model server watches: `<destination>/<integer>/saved_model.pb`.

Versions never change once they are there, and the highest number serves: that is what TF Serving and KServe do
when they only look at the folder. To go back is therefore to publish an older version once more under a new,
higher number; the record beside each model (`assets.extra/nsynth.json`) says where it came from.

A number is the time of the push in unix seconds, or one more than the highest if that is later. So it is never
used twice, even if the folder is emptied in between, and stock TFX Pushers may share the folder.
"""

import datetime
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

import atomic
import nsynth
from components import storage
from components.version import (
    ADDED,
    CARD_FILE,
    RECORD_FILE,
    Record,
    Version,
    check_model,
    model_digest,
    read_version,
)

LOCK_FILE = ".lock"
LOCK_TIMEOUT_S = 300
_MAX_NUMBER = 2**63 - 1  # a server reads numbers as int64, leading zeros included
_log = logging.getLogger(__name__)


class Registry:
    """Reads and changes the versions below one destination."""

    def __init__(self, destination: str | Path):
        self.destination = str(destination).rstrip("/")

    def versions(self) -> list[Version]:
        """Return all versions, oldest first. A folder without `saved_model.pb` is not (yet) a version."""
        numbers = sorted(int(name) for name in storage.children(self.destination) if _is_version(name))
        return [version for number in numbers if (version := read_version(self.destination, number))]

    def faults(self) -> list[str]:
        """Return what in the folder is wrong, in words, an entry each; nothing else is kept from its work by it."""
        strays = [
            f"{self.destination}/{name} is no version: call it by a number without leading zeros below 2**63, "
            "or take it away"
            for name in sorted(storage.children(self.destination))
            if name.isdecimal() and not _is_version(name)
        ]
        return strays + [version.fault for version in self.versions() if version.fault]

    def serving(self) -> Version | None:
        """Return the version that a server of this folder serves."""
        versions = self.versions()
        return versions[-1] if versions else None

    def get(self, number: int) -> Version:
        """Return the version with this number.

        Raises:
          nsynth.UserError: there is none.
        """
        version = read_version(self.destination, number)
        if not version:
            known = ", ".join(str(v.number) for v in self.versions()) or "none"
            raise nsynth.UserError(f"there is no version {number} in {self.destination} (there are: {known})")
        return version

    def find(self, digest: str) -> Version | None:
        """Return the version as which the model with this digest was pushed first, rollbacks aside."""
        return next((v for v in self.versions() if digest and v.record.digest == digest), None)

    def to_beat(self, candidate: str | None = None, told: int | None = None) -> int:
        """Return the number of the version that a candidate is compared with, 0 if there is none.

        A candidate that was pushed already is compared with what it was compared with then, so that an
        unchanged run comes to the same answer, from the cache.

        Args:
          candidate: folder of the exported model; none asks for what serves now.
          told: the version that serves, if that is known already.
        """
        pushed = self.find(model_digest(candidate)) if candidate else None
        if pushed:
            return pushed.record.compared_with
        if told is not None:
            return told
        serving = self.serving()
        return serving.number if serving else 0

    def publish(
        self,
        fill: Callable[[str], None],
        record: Record,
        card: Callable[[Record], str] | None = None,
        compared_with: int | None = None,
    ) -> Version:
        """Make a new version appear at once, complete, under the next number.

        Args:
          fill: writes the SavedModel into the folder it is given.
          record: what is known of it; number and time are put in here. If it has a digest, only a model with just
            that digest is published.
          card: writes the model card, given the complete record.
          compared_with: the version that the model was compared with, 0 if there was none; None if it does not matter.

        Returns:
          The new version; or the present one, if this very model (by `digest`) is in the folder already, unharmed.

        Raises:
          nsynth.UserError: another version serves now than `compared_with`, what `fill` has written is not what was
            judged, the disk is full or the folder cannot be written; no trace is left.
        """
        with self._alone():
            versions = self.versions()
            same = [v for v in versions if record.digest and v.record.digest == record.digest]
            if present := next(filter(_unharmed, same), None):
                return present
            before = max((v.number for v in versions if v not in same), default=0)
            if compared_with not in (None, before):
                raise nsynth.UserError(
                    f"nothing was pushed: the model was compared with {_named(compared_with)}, but {_named(before)} "
                    "serves now, because of a push or rollback in between. Run the pipeline again"
                )
            return self._publish(fill, record, card)

    def _publish(
        self, fill: Callable[[str], None], record: Record, card: Callable[[Record], str] | None
    ) -> Version:
        """Return the same for the holder of the lock, whether or not the model is there already."""
        number = self._next_number()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = record.model_copy(update={"version": number, "created": now})

        def complete(folder: str) -> None:
            storage.write_bytes(f"{folder}/{RECORD_FILE}", record.model_dump_json(indent=1).encode())
            if card:
                storage.write_bytes(f"{folder}/{CARD_FILE}", card(record).encode())
            fill(folder)
            check_model(folder, record.digest, f"the model for version {number}")

        path = f"{self.destination}/{number}"
        try:
            storage.publish_folder(path, complete)
        except FileExistsError as error:
            raise nsynth.UserError(
                f"{path} was written by another process at the same time: push again"
            ) from error
        except OSError as error:
            raise nsynth.UserError(
                f"cannot push to {path}: {error.strerror or error}; no partial version remains"
            ) from error
        return Version(number, path, record)

    def _next_number(self) -> int:
        """Return the time, or one more than the highest number that a server would find here."""
        names = [name for name in storage.children(self.destination) if re.fullmatch("[0-9]+", name)]
        highest = max((n for name in names if (n := int(name)) <= _MAX_NUMBER), default=0)
        if highest == _MAX_NUMBER:
            raise nsynth.UserError(
                f"{self.destination}/{highest} has the highest number that a server accepts: remove it"
            )
        return max(int(time.time()), highest + 1)

    def rollback(self, to: int | None = None, reason: str = "") -> Version:
        """Publish an older version once more under a new number, so that every server takes it up.

        Args:
          to: the version to go back to; none means the one that served before the present one.
          reason: why, for the record.

        Raises:
          nsynth.UserError: there is nothing to go back to, `to` is serving already, or its files are no longer
            those that were judged.
        """
        with self._alone():
            target = self._rollback_target(to)
            target.check()
            record = target.record.model_copy(
                update={"restored_from": target.origin, "reason": reason, "by_hand": True}
            )

            def fill(folder: str) -> None:
                storage.copy_folder(target.path, folder, leave_out=ADDED)

            return self._publish(fill, record, card=lambda _: target.card)

    def _rollback_target(self, to: int | None) -> Version:
        serving = self.serving()
        if not serving:
            raise nsynth.UserError(f"there is no model in {self.destination} to roll back")
        target = self.get(to) if to is not None else self.before(serving)
        if not target:
            raise nsynth.UserError(f"there is no version before {serving.number} to roll back to")
        if target.origin == serving.origin:
            raise nsynth.UserError(f"version {target.number} is already serving")
        return target

    def before(self, version: Version) -> Version | None:
        """Return what served before `version` did, as far as it is still there; for a rollback, before its original."""
        older = [v for v in self.versions() if v.number < version.origin]
        return older[-1] if older else None

    def retain(self, keep: int) -> list[int]:
        """Remove the oldest versions but the last `keep`, never the serving one. Return what went.

        A version that cannot be removed is named in the log, and the others go.
        """
        gone = []
        with self._alone():
            for version in self.versions()[: -max(keep, 1)]:
                try:
                    storage.remove_folder(version.path)
                except OSError as error:
                    _log.warning("%s cannot be removed: %s", version.path, error.strerror or error)
                else:
                    gone.append(version.number)
        return gone

    def copy(self, number: int, folder: str) -> None:
        """Copy the files of a version into `folder`."""
        storage.copy_folder(self.get(number).path, folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other pushers of this folder out. An object store has no locks: run one pusher at a time there."""
        if storage.is_remote(self.destination):
            yield
            return
        try:
            storage.make_readable_folder(self.destination)
            lock = filelock.FileLock(f"{self.destination}/{LOCK_FILE}", timeout=LOCK_TIMEOUT_S)
            lock.acquire()
        except filelock.Timeout as error:
            raise nsynth.UserError(
                f"another push to {self.destination} has been running for minutes"
            ) from error
        except OSError as error:
            raise nsynth.UserError(f"cannot write to {self.destination}: {error.strerror}") from error
        with lock:
            atomic.remove_drafts(Path(self.destination))
            yield


def _is_version(name: str) -> bool:
    """Return whether an entry has the name of a version: a number as it is written, which a server can read."""
    return bool(re.fullmatch("[1-9][0-9]{0,18}", name)) and int(name) <= _MAX_NUMBER


def _unharmed(version: Version) -> bool:
    """Return whether the files of a version are those that were judged; if not, the log tells."""
    try:
        version.check()
    except nsynth.UserError as error:
        _log.warning("%s; the model is pushed anew", error)
        return False
    return True


def _named(number: int | None) -> str:
    return f"version {number}" if number else "no version"

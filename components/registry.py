"""The versions in the folder that a model server watches: `<destination>/<integer>/saved_model.pb`.

Versions never change once they are there, and the highest number serves: that is what TF Serving and KServe do
when they only look at the folder. To go back is therefore to publish an older version once more under a new,
higher number; the record beside each model (`assets.extra/nsynth.json`) says where it came from.

A number is the time of the push in unix seconds, or one more than the highest if that is later. So it is never
used twice, even if the folder is emptied in between, and stock TFX Pushers may share the folder.
"""

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import pydantic

import nsynth
from components import storage

EXTRA = "assets.extra"
RECORD_FILE = f"{EXTRA}/nsynth.json"
CARD_FILE = f"{EXTRA}/MODEL_CARD.md"
LOCK_FILE = ".lock"
LOCK_TIMEOUT_S = 300


class Interval(pydantic.BaseModel, frozen=True):
    """A measured value with its confidence interval."""

    value: float
    low: float
    high: float


class Record(pydantic.BaseModel, frozen=True):
    """What is known of a version; lies beside it as JSON."""

    version: int = 0
    created: str = ""
    """Time of the push, ISO 8601, UTC."""
    model_uri: str = ""
    """Where the Trainer left the model."""
    model_id: int = 0
    """Its id in the metadata store."""
    digest: str = ""
    """Hash of the model as the Trainer left it: tells whether it has been pushed already, wherever it lies now."""
    run: str = ""
    spans: tuple[int, ...] = ()
    accuracy: Interval | None = None
    macro_recall: Interval | None = None
    verdict: str = ""
    """The gate's headline."""
    compared_with: int = 0
    """The version that was serving when the model was judged; 0 if there was none."""
    code: str = ""
    """Fingerprint of the code that pushed."""
    restored_from: int | None = None
    """The version that this one is a copy of, if it was published by a rollback."""
    reason: str = ""
    """Why somebody published this version by hand."""
    by_hand: bool = False


@dataclass(frozen=True)
class Version:
    """A model in the folder."""

    number: int
    path: str
    record: Record

    @property
    def origin(self) -> int:
        """The number under which this model was published first."""
        return self.record.restored_from or self.number

    @property
    def card(self) -> str:
        """The model card, empty if it has none."""
        path = f"{self.path}/{CARD_FILE}"
        return storage.read_bytes(path).decode() if storage.exists(path) else ""

    @property
    def size_bytes(self) -> int:
        """Size of all its files."""
        return storage.folder_bytes(self.path)


class Registry:
    """Reads and changes the versions below one destination."""

    def __init__(self, destination: str | Path):
        self.destination = str(destination).rstrip("/")

    def versions(self) -> list[Version]:
        """All versions, oldest first. A folder without `saved_model.pb` is not (yet) a version."""
        numbers = sorted(int(n) for n in storage.child_folders(self.destination) if n.isdecimal())
        return [version for number in numbers if (version := self._read(number))]

    def serving(self) -> Version | None:
        """The version that a server of this folder serves."""
        versions = self.versions()
        return versions[-1] if versions else None

    def get(self, number: int) -> Version:
        """The version with this number.

        Raises:
          nsynth.UserError: there is none.
        """
        version = self._read(number)
        if not version:
            known = ", ".join(str(v.number) for v in self.versions()) or "none"
            raise nsynth.UserError(f"there is no version {number} in {self.destination} (there are: {known})")
        return version

    def find(self, digest: str) -> Version | None:
        """The version as which the model with this digest was pushed first, rollbacks aside."""
        return next((v for v in self.versions() if digest and v.record.digest == digest), None)

    def to_beat(self, candidate: str | None = None) -> int:
        """Number of the version that a candidate is compared with, 0 if there is none.

        A candidate that was pushed already is compared with what it was compared with then, so that an
        unchanged run comes to the same answer, from the cache.

        Args:
          candidate: folder of the exported model; none asks for what serves now.
        """
        pushed = self.find(storage.digest(candidate)) if candidate else None
        if pushed:
            return pushed.record.compared_with
        serving = self.serving()
        return serving.number if serving else 0

    def publish(
        self, fill: Callable[[str], None], record: Record, card: Callable[[Record], str] | None = None
    ) -> Version:
        """Makes a new version appear at once, complete, under the next number.

        Args:
          fill: writes the SavedModel into the folder it is given.
          record: what is known of it; number and time are put in here.
          card: writes the model card, given the complete record.

        Returns:
          The new version; or the present one, if this very model (by `digest`) is in the folder already
          and `record` is no rollback.

        Raises:
          nsynth.UserError: the disk is full or the folder cannot be written; no trace is left.
        """
        with self._alone():
            pushed = None if record.restored_from else self.find(record.digest)
            if pushed:
                return pushed
            numbers = [int(n) for n in storage.child_folders(self.destination) if n.isdecimal()]
            number = max(int(time.time()), max(numbers, default=0) + 1)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            record = record.model_copy(update={"version": number, "created": now})

            def complete(folder: str) -> None:
                storage.write_bytes(f"{folder}/{RECORD_FILE}", record.model_dump_json(indent=1).encode())
                if card:
                    storage.write_bytes(f"{folder}/{CARD_FILE}", card(record).encode())
                fill(folder)

            path = f"{self.destination}/{number}"
            try:
                storage.publish_folder(path, complete)
            except FileExistsError as error:
                raise nsynth.UserError(f"{path} was written by somebody else just now: push again") from error
            except OSError as error:
                raise nsynth.UserError(
                    f"cannot push to {path}: {error.strerror or error}; nothing was left"
                ) from error
            return Version(number, path, record)

    def rollback(self, to: int | None = None, reason: str = "") -> Version:
        """Publishes an older version once more under a new number, so that every server takes it up.

        Args:
          to: the version to go back to; none means the one that served before the present one.
          reason: why, for the record.

        Raises:
          nsynth.UserError: there is nothing to go back to, or `to` is serving already.
        """
        serving = self.serving()
        if not serving:
            raise nsynth.UserError(f"there is no model in {self.destination} to roll back")
        target = self.get(to) if to is not None else self.before(serving)
        if not target:
            raise nsynth.UserError(f"nothing served before version {serving.number}: there is no way back")
        if target.origin == serving.origin:
            raise nsynth.UserError(f"version {target.number} is serving already")
        record = target.record.model_copy(
            update={"restored_from": target.origin, "reason": reason, "by_hand": True}
        )

        def fill(folder: str) -> None:
            storage.copy_folder(target.path, folder, leave_out=(RECORD_FILE, CARD_FILE))

        return self.publish(fill, record, card=lambda _: target.card)

    def before(self, version: Version) -> Version | None:
        """What served before `version` did, as far as it is still there; for a rollback, before its original."""
        older = [v for v in self.versions() if v.number < version.origin]
        return older[-1] if older else None

    def retain(self, keep: int) -> list[int]:
        """Removes the oldest versions but the last `keep`, never the serving one. Returns what went."""
        with self._alone():
            gone = self.versions()[: -max(keep, 1)]
            for version in gone:
                storage.remove_folder(version.path)
            return [version.number for version in gone]

    def copy(self, number: int, folder: str) -> None:
        """Copies the files of a version into `folder`."""
        storage.copy_folder(self.get(number).path, folder)

    def _read(self, number: int) -> Version | None:
        path = f"{self.destination}/{number}"
        try:
            record = Record.model_validate_json(storage.read_bytes(f"{path}/{RECORD_FILE}"))
        except FileNotFoundError:
            record = Record(version=number)  # of a model that another tool pushed, only the number is known
        except pydantic.ValidationError as error:
            raise nsynth.UserError(
                f"{path}/{RECORD_FILE} is damaged; restore or remove that version"
            ) from error
        # Looked at last: a version that is being removed meanwhile is none.
        return Version(number, path, record) if storage.exists(f"{path}/{storage.LAST_FILE}") else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other pushers of this folder out. An object store has no locks: run one pusher at a time there."""
        if storage.is_remote(self.destination):
            yield
            return
        try:
            Path(self.destination).mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(f"{self.destination}/{LOCK_FILE}", timeout=LOCK_TIMEOUT_S)
            lock.acquire()
        except filelock.Timeout as error:
            raise nsynth.UserError(
                f"another push to {self.destination} has been running for minutes"
            ) from error
        except OSError as error:
            raise nsynth.UserError(f"cannot write to {self.destination}: {error.strerror}") from error
        with lock:
            storage.remove_leftovers(self.destination)
            yield

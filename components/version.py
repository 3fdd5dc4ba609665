"""One version in the folder of models: its record, its card, and whether its files are still those that were judged."""

import datetime
from dataclasses import dataclass

import pydantic

import nsynth
from components import storage
from components.documents.document import Figure

EXTRA = "assets.extra"
RECORD_FILE = f"{EXTRA}/nsynth.json"
CARD_FILE = f"{EXTRA}/MODEL_CARD.md"
ADDED = (RECORD_FILE, CARD_FILE)
"""What a push adds to the files of a model."""
_MAX_RECORD_BYTES = 1 << 20


class Record(pydantic.BaseModel, frozen=True):
    """What is known of a version; lies beside it as JSON."""

    version: int = 0
    created: str = ""
    """Time of the push, ISO 8601, UTC."""
    model_uri: str = ""
    """Where the Trainer left the model: a folder, or on a cluster its address in the object store."""
    model_id: int = 0
    """Its id in the metadata store; 0 if it has none."""
    digest: str = ""
    """Hash of the model's files as they were judged (`model_digest`): tells whether it has been pushed already,
    wherever it lies now, and whether a version still holds what was judged. Empty: nobody judged it."""
    run: str = ""
    """Name of the run; on a cluster its id."""
    run_name: str = ""
    """Name of the run on a cluster; empty elsewhere."""
    run_page: str = ""
    """Address of the run's page, if the configuration names the cluster's host."""
    spans: tuple[int, ...] = ()
    accuracy: Figure | None = None
    macro_recall: Figure | None = None
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
    fault: str = ""
    """Why its record is not known, although there is one."""

    @property
    def pushed(self) -> datetime.datetime | None:
        """When it was pushed: by its record, else by its number; None if that is no time."""
        try:
            if self.record.created:
                told = datetime.datetime.fromisoformat(self.record.created)
                return told if told.tzinfo else told.replace(tzinfo=datetime.UTC)
            return datetime.datetime.fromtimestamp(self.number, datetime.UTC)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def origin(self) -> int:
        """The number under which this model was published first."""
        return self.record.restored_from or self.number

    @property
    def card(self) -> str:
        """The model card, empty if it has none that can be read."""
        try:
            return storage.read_bytes(f"{self.path}/{CARD_FILE}").decode(errors="replace")
        except OSError:
            return ""

    @property
    def size_bytes(self) -> int:
        """Size of all its files; 0 if they cannot be read."""
        try:
            return storage.folder_bytes(self.path)
        except OSError:
            return 0

    def check(self) -> None:
        """Make sure that its files are those that were judged; of a version without a record nothing is known.

        Raises:
          nsynth.UserError: they are not, or it cannot be told.
        """
        if self.fault:
            raise nsynth.UserError(f"version {self.number} cannot be checked: {self.fault}")
        check_model(self.path, self.record.digest, f"version {self.number}")


def model_digest(folder: str) -> str:
    """Return the hash of the files of a SavedModel; what a push adds to them does not count.

    Raises:
      nsynth.UserError: they cannot be read.
    """
    try:
        return storage.digest(folder, leave_out=ADDED)
    except OSError as error:
        raise nsynth.UserError(
            f"the model in {folder} cannot be read: {error.strerror or error} ({error.filename})"
        ) from error


def check_model(folder: str, judged: str, name: str) -> None:
    """Make sure that a folder holds a SavedModel, and the one that was judged.

    Args:
      folder: of the SavedModel.
      judged: digest of what was judged; empty if nobody judged it.
      name: of the model, for messages.

    Raises:
      nsynth.UserError: it does not.
    """
    if not storage.exists(f"{folder}/{storage.LAST_FILE}"):
        raise nsynth.UserError(f"{name} has no {storage.LAST_FILE}: it cannot be served")
    if judged and (found := model_digest(folder)) != judged:
        raise nsynth.UserError(
            f"the files of {name} differ from those that were evaluated (digest {found} instead of {judged}): "
            "they were truncated or changed since, so their accuracy is unknown"
        )


def read_version(destination: str, number: int) -> Version | None:
    """Return the version with this number; None if there is none, or it is not (yet) complete.

    A record that cannot be used is the fault of that version alone, and is told by it.
    """
    path = f"{destination}/{number}"
    record, fault = Record(version=number), ""
    try:
        if storage.file_bytes(f"{path}/{RECORD_FILE}") > _MAX_RECORD_BYTES:
            raise ValueError("it is far too large")
        record = Record.model_validate_json(storage.read_bytes(f"{path}/{RECORD_FILE}"))
    except FileNotFoundError:
        pass  # of a model that another tool pushed, only the number is known
    except pydantic.ValidationError as error:
        fault = f"{path}/{RECORD_FILE} is damaged: {error.errors()[0]['msg']}"
    except (OSError, ValueError) as error:
        fault = f"{path}/{RECORD_FILE} cannot be read: {getattr(error, 'strerror', None) or error}"
    # Looked at last: a version that is being removed meanwhile is none.
    there = storage.exists(f"{path}/{storage.LAST_FILE}")
    return Version(number, path, record, fault) if there else None

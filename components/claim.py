"""Artifacts of a cluster's steps on a volume that all pods share, and what is recorded of them.

    <workspace>/kubeflow/runs/<run>/<step>/<output>/   an output
    <workspace>/kubeflow/runs/<run>/<step>.json        the step's record: what it read and made
    <workspace>/kubeflow/lift                          changes when something that was published is gone
    <workspace>/kubeflow/documents/<run>/<step>/       what steps leave for whoever asks later (kubeflow/documents.py)

The object store holds a pointer in place of each output: a file that names the folder, relative to `runs`, with the
number, size and digest of what it lists. Standard library only, since every step's container starts with it.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import atomic
import nsynth

POINTER = "nsynth-claim.json"
"""Name of the pointer within the artifact's own folder in the object store."""
RECORD = ".json"
STEP_FILE = "step.json"
"""Among the documents of a step: how it ended, what it was told, and its artifacts, each by address and metadata."""
ALIVE_FILE = "alive"
"""Among the documents of a run: its age tells when a step last gave a sign of life."""
_LIFT = "lift"
_NEVER_LIFTED = "0"


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder holds, by names and sizes: reading all the sound again would take as long as copying it."""

    files: int
    bytes: int
    digest: str
    """First 32 hex digits of the SHA-256 over relative names and sizes, folders included."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """List a folder.

        Raises:
          OSError: it is not there, or cannot be read.
        """

        def fail(error: OSError) -> None:
            raise error

        lines, files, size = [], 0, 0
        for parent, folders, names in os.walk(folder, onerror=fail):
            below = os.path.relpath(parent, folder)
            lines += [f"{below}/{name}/" for name in folders]
            for name in names:
                file_bytes = os.stat(os.path.join(parent, name)).st_size
                files, size = files + 1, size + file_bytes
                lines.append(f"{below}/{name}\0{file_bytes}")
        digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:32]
        return cls(files, size, digest)


@dataclasses.dataclass(frozen=True)
class Output:
    """An output as its step left it."""

    place: str
    """<run>/<step>/<output>."""
    type: str
    """TFX's name of the artifact's type, such as Examples."""
    listing: Listing

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse what `text` gave.

        Raises:
          nsynth.UserError: it is something else.
        """
        try:
            return cls._parse(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise nsynth.UserError(f"not a pointer to an artifact on the claim: {text[:200]!r}") from error

    @classmethod
    def _parse(cls, content: dict[str, Any]) -> Self:
        place = str(content["place"])
        if len(parts := place.split("/")) != 3 or any(part in ("", ".", "..") for part in parts):
            raise ValueError(place)
        return cls(place, str(content["type"]), Listing(**content["listing"]))

    def text(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


@dataclasses.dataclass(frozen=True)
class Record:
    """What one step of one run read and made."""

    run: str
    step: str
    inputs: tuple[str, ...]
    """Places of the inputs that lie on the claim, one for each input."""
    outputs: tuple[Output, ...]
    ended: float = dataclasses.field(default_factory=time.time)
    """Seconds since 1970."""

    def text(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read the record of a step.

        Raises:
          nsynth.UserError: it cannot be read.
        """
        try:
            content = json.loads(file.read_bytes())
            outputs = tuple(Output._parse(output) for output in content["outputs"])
            return cls(content["run"], content["step"], tuple(content["inputs"]), outputs, content["ended"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise nsynth.UserError(
                f"{file} is not a record of a step ({error}): restore it from a backup, or remove it together with the "
                f"folder {file.with_suffix('')}"
            ) from error


class Claim:
    """The part of a workspace that steps on a cluster share."""

    def __init__(self, workspace: Path | str):
        self.root = Path(workspace) / "kubeflow"
        self.runs = self.root / "runs"
        self.documents = self.root / "documents"

    def folder(self, place: str) -> Path:
        """Return the folder of <run>/<step>/<output>."""
        return self.runs / place

    @contextlib.contextmanager
    def publish(self, run: str, step: str) -> Iterator[Path]:
        """Yield the folder below which the step writes its outputs; it appears when the block ends without an error.

        All outputs are in one folder, since TFX renames files from one to another. What a killed attempt of the
        same step left is removed first; what an earlier attempt published is replaced.
        """
        folder = self.runs / run / step
        folder.parent.mkdir(parents=True, exist_ok=True)
        atomic.remove_drafts(folder.parent, step)
        aside = folder.with_name(f".{step}.draft-{uuid.uuid4().hex}")
        with atomic.folder(folder, aside) as draft:
            yield draft

    def record(self, record: Record) -> None:
        """Write what a step read and made."""
        atomic.write(self.runs / record.run / f"{record.step}{RECORD}", record.text())

    def check(self, output: Output) -> Path:
        """Give the folder of an output that is there as its step left it.

        Raises:
          nsynth.UserError: it is not; the next run computes it anew.
        """
        folder = self.folder(output.place)
        if fault := self._fault(output):
            self.lift()
            raise nsynth.UserError(
                f"{folder} {fault}: it was removed or changed after a step had published it. Start the run again: "
                "cached steps are then computed again"
            )
        return folder

    def _fault(self, output: Output) -> str:
        try:
            found = Listing.of(self.folder(output.place))
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        expected = output.listing
        if found == expected:
            return ""
        return (
            f"holds {found.files:,} files of {found.bytes:,} bytes (digest {found.digest}) instead of "
            f"{expected.files:,} of {expected.bytes:,} (digest {expected.digest})"
        )

    def records(self) -> list[Record]:
        """Return the records of all steps, by run and step.

        Raises:
          nsynth.UserError: one cannot be read.
        """
        return [Record.load(file) for file in sorted(self.runs.glob(f"*/*{RECORD}"))]

    def left_over(self, records: Iterable[Record]) -> Iterator[tuple[Path, bool]]:
        """Yield what no record accounts for, and whether it is a draft: of a step that works, or was killed."""
        known = {self.runs / record.run / record.step for record in records if record.outputs}
        for path in sorted(self.runs.glob("*/*")):
            if atomic.is_draft(path):
                yield path, True
            elif path.with_suffix("") not in known:
                yield path, False

    def forget(self, places: Iterable[str]) -> None:
        """Take outputs out of their steps' records; call `lift` first."""
        gone = set(places)
        for run, step in {tuple(place.split("/")[:2]) for place in gone}:
            file = self.runs / run / f"{step}{RECORD}"
            record = Record.load(file)
            left = tuple(output for output in record.outputs if output.place not in gone)
            self.record(dataclasses.replace(record, outputs=left))
            with contextlib.suppress(OSError):  # others are there
                (self.runs / run / step).rmdir()

    def lift(self) -> str:
        """Change the text that every cached step takes as a parameter, so that no cached result is taken."""
        token = uuid.uuid4().hex[:12]
        atomic.write(self.root / _LIFT, token)
        return token

    def lifted(self) -> str:
        """Return that text as it is."""
        try:
            return (self.root / _LIFT).read_text()
        except FileNotFoundError:
            return _NEVER_LIFTED


def lift(workspace: Path | str) -> str:
    """Return a text that differs from the one before if an output that was published is no longer there as it was.

    Kubeflow decides whether a cached result is taken before any code of ours runs. A run whose cached steps take this
    text as a parameter is offered nothing that is gone.

    Args:
      workspace: `workspace` of the configuration, on the claim.

    Raises:
      nsynth.UserError: a step's record cannot be read.
    """
    claim = Claim(workspace)
    gone = [output.place for record in claim.records() for output in record.outputs if claim._fault(output)]
    if gone:
        claim.lift()
        claim.forget(gone)
    return claim.lifted()


def place_of(address: str) -> tuple[str, str, str]:
    """Run, step and output of an artifact's address, as KFP's driver composes it: …/<run>/<step>/<salt>/<output>.

    Raises:
      nsynth.UserError: the address has fewer parts.
    """
    parts = address.partition("://")[2].split("/")
    if len(parts) > 2 and _is_uuid(parts[-2]):  # of KFP 2.2 and later
        del parts[-2]
    if len(parts) < 3:
        raise nsynth.UserError(f"{address} is not the address of an output: it contains no run and step")
    return parts[-3], parts[-2], parts[-1]


def _is_uuid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False

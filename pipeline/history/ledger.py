"""The ledger of rounds: one JSON line each, in `<workspace>/retrain/rounds.jsonl`."""

import datetime
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pydantic

import nsynth
from pipeline import exit_codes
from pipeline.history.own_files import Reserve, closing, cut_short, open_own, read, write


class Span(pydantic.BaseModel, frozen=True):
    """One delivery of data. A folder that is delivered again with other files is another span."""

    number: int
    fingerprint: str
    """Hash over names, sizes and ages of its files."""


class Outcome(StrEnum):
    """One of them stands in each line of the ledger."""

    PUSHED = "pushed"
    KEPT = "kept"  # the champion stays: gate or canary said no
    NO_NEW_DATA = "no new data"
    REFUSED = "refused"  # ingest or the data gate refused the data
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"  # by a signal
    CRASHED = "crashed"  # killed; the next round records it

    @property
    def exit_code(self) -> int:
        """What `nsynth retrain` answers."""
        return _EXIT_CODES[self]

    @property
    def settles(self) -> bool:
        """Whether the round's new spans need no other round."""
        return self in (Outcome.PUSHED, Outcome.KEPT)

    @property
    def as_it_should_be(self) -> bool:
        """Whether the round did its work, whatever came of it."""
        return self.settles or self in (Outcome.NO_NEW_DATA, Outcome.REFUSED)

    @property
    def event(self) -> str | None:
        """Which hooks are called."""
        if self in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED):
            return "failed"
        return {Outcome.PUSHED: "pushed", Outcome.KEPT: "kept", Outcome.REFUSED: "refused"}.get(self)


_EXIT_CODES = {
    Outcome.PUSHED: exit_codes.OK,
    Outcome.KEPT: exit_codes.NOT_BLESSED,
    Outcome.NO_NEW_DATA: exit_codes.NO_NEW_DATA,
    Outcome.REFUSED: exit_codes.REFUSED_DATA,
    Outcome.FAILED: exit_codes.ERROR,
    Outcome.TIMED_OUT: exit_codes.TIMED_OUT,
    Outcome.INTERRUPTED: exit_codes.INTERRUPTED,
    Outcome.CRASHED: exit_codes.ERROR,
}

_OURS = b'{"number":'  # how every line begins


class Round(pydantic.BaseModel, frozen=True):
    """What a round was and how it ended."""

    number: int
    outcome: Outcome
    words: str
    """Why, for a person."""
    started: datetime.datetime
    ended: datetime.datetime
    window: tuple[int, ...] = ()
    """Numbers of the spans that it was to train on."""
    new: tuple[Span, ...] = ()
    """Those of them that no round had used before."""
    refused: Span | None = None
    """The span whose data was refused."""
    run: str = ""
    """Name of the pipeline's run."""
    attempts: int = 1
    version: int = 0
    """The version that was pushed."""
    champion: int = 0
    """The version that serves after the round; 0 if there is none."""
    accuracy: float | None = None
    """Of the candidate, on the held-out notes."""
    champion_accuracy: float | None = None
    """Of the model that it was compared with, on the same notes."""
    facts: dict[str, Any] = {}
    """What else was measured: seconds of each step, drift, memory."""
    waiting: tuple[str, ...] = ()
    """Spans that lay there and were not taken, each with what it waits for."""
    warnings: tuple[str, ...] = ()
    late: bool = False
    """Whether it does nothing but write down the push of an earlier round, which was ended before it could."""

    @property
    def seconds(self) -> float:
        """Wall time."""
        return (self.ended - self.started).total_seconds()


class Ledger:
    """Reads and extends the file."""

    def __init__(self, file: Path):
        self.file = file
        self._reserve = Reserve(file.parent)

    def rounds(self) -> list[Round]:
        """Return all rounds, the oldest first. A last line that a crash cut short is passed over.

        Raises:
          nsynth.UserError: a line in the middle is damaged, or the file is not ours.
        """
        try:
            with closing(open_own(self.file, os.O_RDONLY)) as descriptor:
                lines = _complete(read(descriptor), self.file)
        except FileNotFoundError:
            return []
        try:
            return [Round.model_validate_json(line) for line in lines.splitlines()]
        except pydantic.ValidationError as error:
            raise nsynth.UserError(
                f"{self.file} is damaged: {error.errors()[0]['msg']}. Repair the line or move the file away."
            ) from error

    def reserve(self) -> None:
        """Keep room on the disk for the next line, as far as there is any."""
        self._reserve.make()

    def append(self, line: Round) -> None:
        """Add a round; it is on the disk when this returns, on a full disk in the room that was kept.

        Whoever calls it holds the lock.

        Raises:
          OSError: no room at all; the file is as it was.
          nsynth.UserError: the file is not ours.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._reserve.used_if_full(lambda: self._append(line.model_dump_json().encode() + b"\n"))
        self._reserve.make()

    def _append(self, line: bytes) -> None:
        # Its owner's alone: a hook that failed may have said more than everybody is to read.
        with closing(open_own(self.file, os.O_RDWR | os.O_CREAT)) as descriptor:
            complete = len(_complete(read(descriptor), self.file))
            os.ftruncate(descriptor, complete)
            try:
                write(descriptor, line, complete)
            except OSError:
                os.ftruncate(descriptor, complete)
                raise


def _complete(content: bytes, file: Path) -> bytes:
    """Return the content without a last line that a crash cut short.

    Raises:
      nsynth.UserError: it ends in something else, which is not ours to cut off.
    """
    complete, newline, rest = content.rpartition(b"\n")
    if not cut_short(rest, _OURS):
        raise nsynth.UserError(
            f"{file} is damaged: it does not end with a round. Repair the line or move the file away."
        )
    return complete + newline


def settled(rounds: Iterable[Round]) -> set[Span]:
    """Return the spans that a round has used to its end, unless a later one refused them."""
    return _last_word(rounds)[0]


def refused(rounds: Iterable[Round]) -> set[Span]:
    """Return spans whose data was refused, unless a later round used them to its end (--force)."""
    return _last_word(rounds)[1]


def _last_word(rounds: Iterable[Round]) -> tuple[set[Span], set[Span]]:
    """Return what is settled and what is refused after all rounds: the last that judged a span decides."""
    settled: set[Span] = set()
    refused: set[Span] = set()
    for line in rounds:
        if line.outcome.settles:
            settled.update(line.new)
            refused.difference_update(line.new)
        elif line.refused:
            refused.add(line.refused)
            settled.discard(line.refused)
    return settled, refused

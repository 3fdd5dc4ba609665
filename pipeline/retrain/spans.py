"""Which spans lie in the folder, which of them a round takes, and what the others wait for."""

import dataclasses
import datetime
import hashlib
import os
import posixpath
import re
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nsynth
from components.ingest import files
from pipeline.history.ledger import Span

SIX_DIGITS = re.compile(r"span-([0-9]{6})")
"""How span folders are called: the number is the group."""
_LIKE_A_FOLDER = re.compile(r"span[\W_]*(\d+)", re.IGNORECASE)
_LAST = 999_999
_NO_FOLDER = "not a folder: a span is a folder with the files of its notes"
_NAMED = 3  # other entries of the folder in a message
_CLOCK_S = 60.0  # by so much two clocks may differ


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A span that is there and that no round takes."""

    name: str
    why: str
    until: datetime.datetime | None = None
    """When it is taken up if nothing changes; None if that takes somebody's doing, which `why` names."""
    misnamed: bool = False

    def __str__(self) -> str:
        until = f"; ready at {self.until:%Y-%m-%d %H:%M:%S} UTC" if self.until else ""
        return f"{self.name}: {self.why}{until}"

    def for_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"name": self.name, "why": self.why, "until": self.until.isoformat() if self.until else None}


@dataclasses.dataclass(frozen=True)
class Arrivals:
    """What lies in the folder of spans."""

    spans: tuple[Span, ...]
    """Those that have come to rest, in the order of their numbers."""
    waiting: tuple[Waiting, ...] = ()
    others: tuple[str, ...] = ()
    """Names of folders that are not called spans."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What a round is to do: train on `window`, of which `new` has not been judged yet."""

    window: tuple[Span, ...]
    new: tuple[Span, ...]
    waiting: tuple[Waiting, ...] = ()
    """Spans that are there and not in the window, but for those that a round has used."""
    others: tuple[str, ...] = ()
    """Names of folders that are not called spans."""

    @property
    def newest(self) -> Span:
        """The span whose held-out notes a candidate is judged on."""
        return self.window[-1]


def folder_name(number: int) -> str:
    """Return the name of a span's folder."""
    return f"span-{number:06d}"


def within_spans(place: str, spans: str) -> bool:
    """Return whether `place` is the folder of spans, a span in it, or below one; both are folders or addresses."""
    if files.is_local(place) != files.is_local(spans):
        return False
    path, folder = (
        Path(one).resolve() if files.is_local(one) else Path(posixpath.normpath(one))
        for one in (place, spans)
    )
    return path == folder or any(
        above.parent == folder and SIX_DIGITS.fullmatch(above.name) for above in (path, *path.parents)
    )


def find_spans(folder: str | Path, settle_s: float = 0.0, names: re.Pattern[str] = SIX_DIGITS) -> Arrivals:
    """Return all spans in the folder, and all that looks like one.

    Args:
      folder: holds folders `span-<number, six digits>`, or links to folders; or its address in a bucket.
      settle_s: a span in which anything changed or arrived within so many seconds may be half copied: it waits.
      names: how they are called, if otherwise.

    Raises:
      nsynth.UserError: no such folder.
      OSError: it cannot be read, or its store does not answer.
    """
    if not files.is_folder(str(folder)):
        raise nsynth.UserError(
            f"{folder}: no such folder. Set retrain.spans to the folder in which span-000001, span-000002 … arrive."
        )
    now = time.time()
    spans: list[Span] = []
    waiting: list[Waiting] = []
    others: list[str] = []
    numbers: set[int] = set()
    for name, is_folder in sorted(files.names(str(folder)).items()):
        if not name.lower().startswith("span"):
            others += [name] if is_folder else []
        elif (named := names.fullmatch(name)) and int(named[1]) in numbers:
            why = f"another folder is already span {int(named[1])}: give this one the next number"
            waiting.append(Waiting(name, why, misnamed=True))
        elif named:
            numbers.add(int(named[1]))
            place = os.path.join(folder, name)
            if files.is_local(place):
                found = look(Path(place), int(named[1]), now, settle_s)
            elif is_folder:
                found = look_at(place, int(named[1]), now, settle_s, name)
            else:
                found = Waiting(name, _NO_FOLDER)
            (spans if isinstance(found, Span) else waiting).append(found)  # type: ignore[arg-type]
        elif is_folder or os.path.islink(os.path.join(folder, name)):
            waiting.append(_misnamed(name))
    return Arrivals(tuple(sorted(spans, key=lambda span: span.number)), tuple(waiting), tuple(others))


def _misnamed(name: str) -> Waiting:
    like = _LIKE_A_FOLDER.fullmatch(name)
    if not like:
        return Waiting(name, "not the name of a span, which is span- and six digits: rename or remove it")
    if int(like[1]) > _LAST:
        why = f"span numbers have six digits, so count the spans: {folder_name(1)}, {folder_name(2)} …"
    else:
        why = f"call it {folder_name(int(like[1]))}, spans have six digits"
    return Waiting(name, why, misnamed=True)


def look(path: Path, number: int, now: float, settle_s: float) -> Span | Waiting:
    """Return the span in the folder `path`, or what it waits for; `now` and `settle_s` in seconds."""
    try:
        # The folder comes last: what vanishes from it meanwhile makes it young.
        paths = [inside for inside in (*path.rglob("*"), path) if inside.exists() or not inside.is_symlink()]
        found = {inside: inside.stat() for inside in paths}
    except FileNotFoundError:  # it went since it was listed: somebody is still at it
        return Waiting(path.name, "it changes right now", _moment(now + settle_s))
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        return Waiting(path.name, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    if path not in found:
        return Waiting(path.name, f"a link to {path.readlink()}, which does not exist")
    if not stat.S_ISDIR(found[path].st_mode):
        return Waiting(path.name, _NO_FOLDER)
    regular = sorted(inside for inside in _visible(path, found) if stat.S_ISREG(found[inside].st_mode))
    # When a file came here, also where a copy keeps an older or a later date (rsync -a, cp -p, tar).
    arrived = max(status.st_ctime for status in found.values())
    lines = [
        f"{inside.relative_to(path)} {found[inside].st_size} {found[inside].st_mtime_ns}"
        for inside in regular
    ]
    return _at_rest(path.name, number, lines, arrived, now, settle_s)


def look_at(place: str, number: int, now: float, settle_s: float, name: str = "") -> Span | Waiting:
    """Return the span at an address, or what it waits for; `now` and `settle_s` in seconds.

    A web server tells no age: what is there counts as settled. `name` is what the span is called; none: by its address.
    """
    try:
        found = files.marks(place)
    except OSError as error:
        return Waiting(name or place, f"cannot be read: {error.strerror or error}")
    lines = [f"{path} {mark}" for path, (mark, _) in sorted(found.items())]
    arrived = max((changed_ns for _, changed_ns in found.values()), default=0) / 1e9
    return _at_rest(name or place, number, lines, arrived, now, settle_s)


def _at_rest(
    name: str, number: int, lines: list[str], arrived: float, now: float, settle_s: float
) -> Span | Waiting:
    """Return the span, unless it is empty or anything in it has arrived within `settle_s`.

    Args:
      name: of the span.
      number: of the span.
      lines: one for each file, with what changes with it.
      arrived: when anything last did, in unix seconds.
      now: likewise.
      settle_s: in seconds.
    """
    if not lines:
        return Waiting(name, "no files in it yet")
    if arrived > now + _CLOCK_S:
        why = f"arrived at {_moment(arrived):%Y-%m-%d %H:%M} UTC, later than this machine's clock: set the clock"
        return Waiting(name, why, _moment(arrived + settle_s))
    if arrived > now - settle_s:
        why = f"changed recently: it must not change for {settle_s:g} s (retrain.settle_s)"
        return Waiting(name, why, _moment(arrived + settle_s))
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return Span(number=number, fingerprint=hashlib.sha256(text).hexdigest()[:16])


def _visible(folder: Path, paths: Iterable[Path]) -> Iterator[Path]:
    """Without hidden files, which no ingest reads, such as those that a file manager leaves."""
    for path in paths:
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _moment(seconds: float) -> datetime.datetime:
    """Return the next full second, UTC."""
    return datetime.datetime.fromtimestamp(int(seconds) + 1, datetime.UTC)


def choose(found: Arrivals, settled: Iterable[Span], refused: Iterable[Span], window: int) -> Work:
    """Return the work of the next round.

    Args:
      found: what lies in the folder.
      settled: those that a round has used to its end.
      refused: those whose data was refused; they are never used.
      window: how many of the newest spans to train on.

    Returns:
      The window; what is new in it is to be judged. A new span that is older than the window is left out.
    """
    settled, refused = set(settled), set(refused)
    usable = tuple(span for span in found.spans if span not in refused)
    too_old, usable = usable[:-window], usable[-window:]
    left_out = {
        span: f"older than the window: there are {window} newer spans (retrain.window)"
        for span in too_old
        if span not in settled
    } | {
        span: "its data was refused: deliver it again with other files, or judge it once more (--force)"
        for span in found.spans
        if span in refused
    }
    waiting = (*found.waiting, *(Waiting(folder_name(span.number), why) for span, why in left_out.items()))
    return Work(
        usable,
        tuple(span for span in usable if span not in settled),
        tuple(sorted(waiting, key=lambda one: one.name)),
        found.others,
    )


def nothing_new(work: Work, folder: str) -> str:
    """Return why there is nothing to do, with each span that waits."""
    if work.window:
        words = f"no new span: {work.newest.number} is the newest and was used before (--force trains again)"
    elif work.waiting:
        words = "no span can be used yet"
    else:
        words = f"no span has arrived yet in {folder}"
        if work.others:
            more = "" if len(work.others) <= _NAMED else " …"
            words += f", which holds {', '.join(work.others[:_NAMED])}{more}: spans are called span-000001 and so on"
    return "; ".join([words, *map(str, work.waiting)])

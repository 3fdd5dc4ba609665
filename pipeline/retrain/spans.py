"""Which spans lie in the folder, and which of them a round takes."""

import dataclasses
import hashlib
import re
import stat
import time
from collections.abc import Iterable
from pathlib import Path

import nsynth
from pipeline.history.ledger import Span

_FOLDER = re.compile(r"span-(\d{6})")
_LIKE_A_FOLDER = re.compile(r"span\W?(\d+)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Work:
    """What a round is to do: train on `window`, of which `new` has not been judged yet."""

    window: tuple[Span, ...]
    new: tuple[Span, ...]

    @property
    def newest(self) -> Span:
        """The span whose held-out notes a candidate is judged on."""
        return self.window[-1]


def folder_name(number: int) -> str:
    """The name of a span's folder."""
    return f"span-{number:06d}"


def find_spans(folder: Path, settle_s: float = 0.0) -> list[Span]:
    """All spans that have come to rest, in the order of their numbers.

    Args:
      folder: holds folders `span-<number, six digits>`.
      settle_s: a span in which anything changed or arrived within so many seconds may be half copied: it is left
        for later.

    Raises:
      nsynth.UserError: no such folder, or a span under a wrong name.
    """
    if not folder.is_dir():
        raise nsynth.UserError(
            f"{folder}: no such folder. Set retrain.spans to the folder in which span-000001, span-000002 … arrive."
        )
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if name := _FOLDER.fullmatch(path.name):
            found[int(name[1])] = path
        elif like := _LIKE_A_FOLDER.fullmatch(path.name):
            raise nsynth.UserError(f"{path}: call it {folder_name(int(like[1]))}, spans have six digits")
    latest = time.time() - settle_s
    return [
        Span(number=number, fingerprint=fingerprint)
        for number, path in found.items()
        if (fingerprint := _fingerprint(path, latest))
    ]


def _fingerprint(folder: Path, latest: float) -> str:
    """Hash of the folder's files; empty if there is none, or anything that changed after `latest` (unix seconds)."""
    try:
        # The folder comes last: what vanishes from it meanwhile makes it young.
        paths = [path for path in (*folder.rglob("*"), folder) if path.exists() or not path.is_symlink()]
        found = {path: path.stat() for path in paths}
    except FileNotFoundError:  # it went since it was listed: somebody is still at it
        return ""
    files = sorted(path for path, status in found.items() if stat.S_ISREG(status.st_mode))
    # Copies keep the time of the original's last change (rsync -a, cp -p, tar); the other one tells when they came.
    if not files or max(max(status.st_mtime, status.st_ctime) for status in found.values()) > latest:
        return ""
    lines = "\n".join(
        f"{path.relative_to(folder)} {found[path].st_size} {found[path].st_mtime_ns}" for path in files
    )
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def choose(found: Iterable[Span], settled: Iterable[Span], refused: Iterable[Span], window: int) -> Work:
    """The work of the next round.

    Args:
      found: the spans in the folder, in order.
      settled: those that a round has used to its end.
      refused: those whose data was refused; they are never used.
      window: how many of the newest spans to train on.

    Returns:
      The window; what is new in it is to be judged. A new span that is older than the window is left out.
    """
    settled, refused = set(settled), set(refused)
    usable = tuple(span for span in found if span not in refused)[-window:]
    return Work(usable, tuple(span for span in usable if span not in settled))

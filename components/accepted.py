"""The data accepted so far: a folder of statistics, one entry for each set of notes that passed the gate.

An entry is `<number>-span-<span>/` with `FeatureStats.pb` (train split) and `accepted.json`. It appears whole or not
at all.
"""

import dataclasses
import datetime
import hashlib
import json
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

import atomic

STATISTICS_FILE = "FeatureStats.pb"
RECORD_FILE = "accepted.json"


@dataclasses.dataclass(frozen=True)
class Accepted:
    """One entry."""

    path: Path
    span: int
    digest: str
    accepted_at: str

    def statistics(self) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Return the statistics of its train split."""
        content = (self.path / STATISTICS_FILE).read_bytes()
        return statistics_pb2.DatasetFeatureStatisticsList.FromString(content)


def digest_of(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> str:
    """Identify a set of notes by its statistics."""
    return hashlib.sha256(statistics.SerializeToString(deterministic=True)).hexdigest()


def entries(folder: Path) -> list[Accepted]:
    """Return all entries, the oldest first."""
    found = []
    for path in sorted(folder.glob("[0-9]*-span-*")):
        record = json.loads((path / RECORD_FILE).read_text())
        found.append(Accepted(path, record["span"], record["digest"], record["accepted_at"]))
    return found


def latest_other_than(folder: Path, digest: str) -> Accepted | None:
    """Return the newest entry of other notes than those named by `digest`."""
    return next((entry for entry in reversed(entries(folder)) if entry.digest != digest), None)


def remember(folder: Path, span: int, statistics: statistics_pb2.DatasetFeatureStatisticsList) -> None:
    """Add an entry, unless these very notes are the newest one already, or that of this span (0 is no span)."""
    known = entries(folder)
    digest = digest_of(statistics)
    if any(entry.digest == digest and (entry is known[-1] or entry.span == span != 0) for entry in known):
        return
    number = int(known[-1].path.name.partition("-")[0]) + 1 if known else 1
    target = folder / f"{number:06d}-span-{span}"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with atomic.folder(target) as draft:
        (draft / STATISTICS_FILE).write_bytes(statistics.SerializeToString())
        (draft / RECORD_FILE).write_text(json.dumps({"span": span, "digest": digest, "accepted_at": now}))


def forget(folder: Path, statistics: statistics_pb2.DatasetFeatureStatisticsList) -> None:
    """Take back the entry of these very notes, if there is one: a later step has refused them."""
    digest = digest_of(statistics)
    for entry in entries(folder):
        if entry.digest == digest:
            atomic.remove(entry.path)

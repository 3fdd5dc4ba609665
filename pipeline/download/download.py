"""Downloads splits of NSynth into a folder: a sample of records, or the whole file.

What is incomplete lies in a hidden folder and is never visible as data. A split's file appears by a rename when all of
it has been verified, and a note of where it came from beside it.
"""

import base64
import contextlib
import datetime
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import google_crc32c

import nsynth
from components import tfrecord
from components.remote.http import Remote
from components.tfrecord import Record
from pipeline.download import notice, official, sample
from pipeline.download.coverage import Coverage
from pipeline.download.origin import Origin
from pipeline.download.part import CONNECTIONS, Part, Segment

HIDDEN = ".nsynth-download"
TRAIN_NOTES = 12_000
_VALID_SHARE = 6  # 2,000 valid notes for 12,000 of train
_WHOLE_SEGMENT_BYTES = 1 << 26
_READ_BYTES = 1 << 20


class Request(NamedTuple):
    """What is to be downloaded."""

    out: Path
    splits: tuple[str, ...] = ("train", "valid")
    notes: int | None = TRAIN_NOTES
    """Notes of train; valid gets a sixth of it, test is always whole. None: everything is whole."""
    seed: int = 0
    connections: int = CONNECTIONS
    run: int = sample.RUN_RECORDS

    def wanted(self, split: str) -> int | None:
        """Return how many notes of a split; None means the whole file."""
        if self.notes is None or split == "test":
            return None
        return self.notes if split == "train" else max(1, self.notes // _VALID_SHARE)


class Reporter:
    """What a download tells about its progress; the command line overrides it."""

    def begin(self, split: str, total_bytes: int, done_bytes: int) -> Callable[[int], None]:
        """Show that a split's transfer starts; what is returned is called with the bytes that arrive."""
        return lambda _: None

    def say(self, line: str) -> None:
        """Print a line for the user."""

    def may_take_whole(self, remote: Remote) -> bool:
        """Return whether to download a whole file because the server cannot send parts."""
        return False


class _Job(NamedTuple):
    """One split's plan. `places` is None where the whole file is taken."""

    split: str
    remote: Remote
    places: list[sample.Place] | None

    @property
    def segments(self) -> list[Segment]:
        if self.places is not None:
            return [place.segment for place in self.places]
        size = self.remote.size
        starts = range(0, size, _WHOLE_SEGMENT_BYTES if self.remote.ranges else max(1, size))
        return [Segment(s, min(starts.step, size - s)) for s in starts]

    @property
    def bytes_needed(self) -> int:
        """Room on the disk at the fullest moment: of a sample, the windows and the file cut from them."""
        return sum(segment.length for segment in self.segments) * (1 if self.places is None else 2)


def download(request: Request, origin: Origin, report: Reporter | None = None) -> dict[str, Any]:
    """Download what is not there yet.

    Returns:
        The notice, as `notice.load` gives it: for each split its origin and its coverage.

    Raises:
        nsynth.UserError: the origin fails, the disk is too full, or the folder holds something else.
    """
    hidden = request.out / HIDDEN
    try:
        hidden.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise nsynth.UserError(
            f"{request.out}: {error.strerror}. Choose another folder with --out."
        ) from error
    try:
        with filelock.FileLock(hidden / "lock", timeout=0):
            return _download(request, origin, report or Reporter(), hidden)
    except filelock.Timeout as error:
        raise nsynth.UserError(f"Another download into {request.out} is running.") from error


def _download(request: Request, origin: Origin, report: Reporter, hidden: Path) -> dict[str, Any]:
    there = [split for split in request.splits if _there(request, split)]
    for split in there:
        shutil.rmtree(hidden / split, ignore_errors=True)  # left by a process killed after its last rename
    jobs = [_plan(request, split, origin, report) for split in request.splits if split not in there]
    parts = [(job, Part(hidden / job.split, job.remote, job.segments)) for job in jobs]
    with contextlib.ExitStack() as stack:
        for _, part in parts:
            stack.callback(part.close)
        _check_room(request.out, parts)
        for job, part in parts:
            _fetch(job, part, origin, request.connections, report)
            _publish(request, job, part, report)
            part.discard()
    (hidden / "lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it may hold the part of a split that was not asked for this time
        hidden.rmdir()
    return notice.load(request.out)


def _there(request: Request, split: str) -> bool:
    """Return whether a split has been downloaded already, by an equal request.

    Raises:
        nsynth.UserError: there is another file in its place.
    """
    path = request.out / official.file_name(split)
    if not path.exists():
        return False
    entry = notice.load(request.out)["splits"].get(split)
    wanted = request.wanted(split)
    if entry and entry["bytes"] == path.stat().st_size:
        if entry["whole"] or (entry["wanted"], entry["seed"]) == (wanted, request.seed):
            return True
        what = f"{entry['coverage']['notes']:,} notes with the seed {entry['seed']}"
    else:
        what = "notes that did not come from `nsynth download`"
    raise nsynth.UserError(f"{path} contains {what}. Remove it, or choose another folder with --out.")


def _plan(request: Request, split: str, origin: Origin, report: Reporter) -> _Job:
    remote = origin.describe(official.file_name(split))
    wanted = request.wanted(split)
    if wanted is None:
        return _Job(split, remote, None)
    if not remote.ranges:
        if not report.may_take_whole(remote):
            raise nsynth.UserError(
                f"{remote.url}: the server does not support range requests, which a sample needs. Download the "
                f"complete file ({remote.size / 1e9:,.1f} GB) with --all, or give another server with --mirror."
            )
        return _Job(split, remote, None)
    record = sample.record_bytes(origin, remote)
    places = sample.plan(remote.size, record, wanted, request.seed, request.run)
    if places is None:
        report.say(f"{split}: {wanted:,} notes are most of the file, so that all of it is downloaded.")
    return _Job(split, remote, places)


def _check_room(out: Path, parts: list[tuple[_Job, Part]]) -> None:
    allocated = sum(part.data.stat().st_blocks * 512 for _, part in parts)
    needed = sum(job.bytes_needed for job, _ in parts) - allocated
    free = shutil.disk_usage(out).free
    if needed > free:
        raise nsynth.UserError(
            f"The disk is too full: {out} needs {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free. Make room, "
            "choose another folder with --out, or take fewer notes with --notes."
        )


def _fetch(job: _Job, part: Part, origin: Origin, connections: int, report: Reporter) -> None:
    progress = report.begin(job.split, part.bytes_wanted, part.bytes_done)
    places = job.places
    check = None
    if places is not None:
        check = lambda number, window: sample.arrived(window, places[number].records)  # noqa: E731
    part.fetch(origin, connections if job.remote.ranges else 1, progress, check)


def _publish(request: Request, job: _Job, part: Part, report: Reporter) -> None:
    """Verify what has arrived, note where it came from, and let it appear."""
    target = request.out / official.file_name(job.split)
    coverage, damaged = Coverage(job.split), 0
    if job.places is None:
        _verify(job.remote, part, report)
        part.sync()
        finished = part.data
        damaged = _count(finished, part.bytes_wanted, coverage)
    else:
        finished = part.data.with_name("records")
        with open(finished, "wb") as file:
            for number, place in enumerate(job.places):
                run = sample.cut(part.read(number), place.records)
                damaged += run.damaged
                for record in run.records:
                    file.write(record)
                    coverage.add(record[tfrecord.HEADER_BYTES : -tfrecord.FOOTER_BYTES])
            file.flush()
            os.fsync(file.fileno())
    if not coverage.summary()["notes"]:
        part.discard()
        raise nsynth.UserError(f"{job.remote.url} is not a TFRecord of notes: no record in it was found.")
    remote = job.remote
    entry = {
        "file": target.name,
        "bytes": finished.stat().st_size,
        "whole": job.places is None,
        "wanted": request.wanted(job.split),
        "seed": request.seed,
        "places": len(job.places or ()),
        "damaged": damaged,
        "url": remote.url,
        "version": remote.version,
        "size": remote.size,
        "checksums": remote.checksums,
        "downloaded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "coverage": coverage.summary(),
    }
    notice.add(
        request.out, job.split, entry
    )  # first: a file that is there without a note came from elsewhere
    os.replace(finished, target)


def _verify(remote: Remote, part: Part, report: Reporter) -> None:
    """Hold a whole file against the checksums that the server states.

    Raises:
        nsynth.UserError: one does not hold.
    """
    hashes: dict[str, Any] = {"crc32c": google_crc32c.Checksum(), "md5": hashlib.md5(usedforsecurity=False)}
    checked = {name: hashes[name] for name in remote.checksums if name in hashes}
    if not checked:
        report.say(f"{remote.url}: the server provides no checksum; the checksum of each record is verified.")
        return
    with open(part.data, "rb") as file:
        while chunk := file.read(_READ_BYTES):
            for digest in checked.values():
                digest.update(chunk)
    for name, digest in checked.items():
        if base64.b64encode(digest.digest()).decode() != remote.checksums[name]:
            part.discard()
            raise nsynth.UserError(
                f"{remote.url}: the downloaded file does not match the {name} of the server. It was discarded: run the "
                "same command to download it again."
            )


def _count(path: Path, size: int, coverage: Coverage) -> int:
    """Count the records of a whole file whose checksum holds; answer how many places of it are damaged."""
    damaged = 0
    # Where nearly all is damaged, the scan gives up: the coverage tells how little was found.
    with open(path, "rb") as file, contextlib.suppress(tfrecord.DamagedEverywhereError):
        for place in tfrecord.scan(file, size):
            data, intact = tfrecord.read_data(file, place) if isinstance(place, Record) else (b"", False)
            if intact:
                coverage.add(data)
            else:
                damaged += 1
    return damaged

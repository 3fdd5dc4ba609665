"""A download in progress: segments of a remote file, fetched over several connections, resumed at the last byte.

The segments lie one behind the other in one file; beside it, a number for each says how far it has come. Bytes are
written before the number, so that a process killed in between repeats a chunk and loses nothing.
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import numpy as np

import nsynth
from components.remote.http import Remote
from pipeline.download.origin import ChangedError, Origin

CONNECTIONS = 8
Progress = Callable[[int], None]
"""Called with the number of bytes that have arrived."""
Check = Callable[[int, bytes], bool]
"""Called with a segment's number and content: whether it has arrived unharmed."""


class Segment(NamedTuple):
    """A range of the remote file: the bytes [start, start + length)."""

    start: int
    length: int


class Part:
    """The part of a remote file that has been downloaded so far."""

    def __init__(self, folder: Path, remote: Remote, segments: Sequence[Segment]) -> None:
        """Open what an earlier process left in `folder`; what belongs to another file or plan is discarded."""
        self.data = folder / "data"
        self._folder, self._remote, self.segments = folder, remote, segments
        self._offsets = np.cumsum([0, *(segment.length for segment in segments)]).tolist()
        identity = hashlib.sha256(json.dumps([remote.url, remote.size, remote.version, segments]).encode())
        plan, progress = folder / "plan", folder / "progress"
        known = plan.exists() and plan.read_text() == identity.hexdigest()
        if not known or progress.stat().st_size != 8 * len(segments):
            self.discard()
            folder.mkdir(parents=True)
            progress.write_bytes(bytes(8 * len(segments)))
            self.data.touch()
            plan.write_text(identity.hexdigest())  # last: without it, nothing here counts
        self._progress = os.open(progress, os.O_RDWR)
        self._file = os.open(self.data, os.O_RDWR)
        self._done = np.frombuffer(os.pread(self._progress, 8 * len(segments), 0), "<i8").tolist()

    @property
    def bytes_wanted(self) -> int:
        """Size of all segments."""
        return self._offsets[-1]

    @property
    def bytes_done(self) -> int:
        """What has arrived so far."""
        return sum(self._done)

    def read(self, number: int) -> bytes:
        """Return the content of a segment that is complete."""
        return os.pread(self._file, self.segments[number].length, self._offsets[number])

    def fetch(self, origin: Origin, connections: int, progress: Progress, check: Check | None = None) -> None:
        """Fetch what is missing.

        Args:
            origin: where from.
            connections: how many segments at a time.
            progress: told of bytes as they arrive.
            check: a segment that fails is fetched once more; if it fails again, it is so at the origin.

        Raises:
            nsynth.UserError: the origin fails, or the disk is full.
        """
        self._forget_what_was_lost(check, progress)
        stop = threading.Event()
        missing = [n for n, segment in enumerate(self.segments) if self._done[n] < segment.length]
        with ThreadPoolExecutor(connections) as pool:
            jobs = [pool.submit(self._fetch_one, n, origin, progress, check, stop) for n in missing]
            try:
                done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
                for job in done:
                    job.result()
            except ChangedError:
                stop.set()
                pool.shutdown(cancel_futures=True)
                self.discard()
                raise
            except OSError as error:
                raise nsynth.UserError(f"{self._folder}: {error.strerror or error}.") from error
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _forget_what_was_lost(self, check: Check | None, progress: Progress) -> None:
        """Hold what an earlier process fetched against its checksums: a power cut may have lost bytes of it."""
        for number, segment in enumerate(self.segments if check else ()):
            if self._done[number] == segment.length and check and not check(number, self.read(number)):
                progress(-segment.length)
                self._advance(number, 0)

    def _fetch_one(
        self, number: int, origin: Origin, progress: Progress, check: Check | None, stop: threading.Event
    ) -> None:
        segment = self.segments[number]
        for attempt in (1, 2):
            start, end = segment.start + self._done[number], segment.start + segment.length
            for chunk in origin.stream(self._remote, start, end, stop):
                os.pwrite(self._file, chunk, self._offsets[number] + self._done[number])
                self._advance(number, self._done[number] + len(chunk))
                progress(len(chunk))
                if stop.is_set():
                    return
            if stop.is_set() or check is None or attempt == 2 or check(number, self.read(number)):
                return
            progress(-segment.length)
            self._advance(number, 0)

    def _advance(self, number: int, done: int) -> None:
        os.pwrite(self._progress, done.to_bytes(8, "little"), 8 * number)
        self._done[number] = done

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Release the files; they stay for the next process."""
        os.close(self._progress)
        os.close(self._file)

    def discard(self) -> None:
        """Remove what has been downloaded."""
        shutil.rmtree(self._folder, ignore_errors=True)

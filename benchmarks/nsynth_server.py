"""A server on loopback that behaves as the one of the official files does, and as badly as a network can.

The file it serves is never on a disk: each record is made when it is asked for, in the format and order of the
official file (by family, then by instrument) and with as many notes as wanted, up to all 289,205.
`python -m benchmarks.nsynth_server` serves files of the official sizes and prints how to download from it.
"""

import bisect
import contextlib
import functools
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nsynth
from benchmarks.harness import nsynth_command
from benchmarks.synthetic import make_note
from components import tfrecord
from components.example_proto import serialize
from pipeline.download import official

TRAIN_FILE = official.file_name("train")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_SEND_BYTES = 1 << 16


class Instrument(NamedTuple):
    """An instrument of the file and how many notes it has."""

    family: int
    number: int
    notes: int


def instruments(split: str, share: float = 1.0, seed: int = 0) -> list[Instrument]:
    """Return instruments with the official number of notes of each family.

    How many notes each instrument has is not published: sizes are drawn from a log-normal distribution (σ = 0.8),
    wider than what 88 pitches in five velocities at most allow. Instruments are dealt to families by their notes.
    """
    generator = np.random.default_rng(seed)
    counts = {f: round(n * share) for f, n in official.FAMILY_NOTES[split].items()}
    total = max(1, round(official.INSTRUMENTS[split] * min(1.0, 4 * share)))
    made = []
    for family, notes in enumerate(counts.values()):
        if not notes:
            continue
        several = min(notes, max(1, round(total * notes / sum(counts.values()))))
        weights = generator.lognormal(0, 0.8, several)
        sizes = 1 + np.floor(weights / weights.sum() * (notes - several)).astype(int)
        sizes[0] += notes - sizes.sum()
        first = 0 if split == "train" else 600  # valid and test share theirs, and none with train
        made += [Instrument(family, first + number, int(size)) for number, size in enumerate(sizes)]
    return made


class VirtualFile:
    """A TFRecord file of notes that is made while it is read."""

    def __init__(self, of: Sequence[Instrument]) -> None:
        self._of = of
        self._first_note = np.cumsum([0, *(instrument.notes for instrument in of)]).tolist()
        lengths = np.repeat([len(self._record(n)) for n in self._first_note[:-1]], [i.notes for i in of])
        self._offsets = np.concatenate([[0], np.cumsum(lengths)]).tolist()

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self._offsets[-1]

    @property
    def notes(self) -> int:
        """How many records it has."""
        return len(self._offsets) - 1

    def instrument_at(self, note: int) -> int:
        """Return the number of the instrument that a note is of."""
        return bisect.bisect_right(self._first_note, note) - 1

    def records_from(self, offset: int) -> int:
        """Return the number of the first record that begins at or behind an offset."""
        return bisect.bisect_left(self._offsets, offset)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        first = bisect.bisect_right(self._offsets, start) - 1
        last = bisect.bisect_left(self._offsets, end)
        content = b"".join(self._record(note) for note in range(first, last))
        return content[start - self._offsets[first] :][: end - start]

    def records(self) -> list[bytes]:
        """Return all records, as they are in the file."""
        return [self._record(note) for note in range(self.notes)]

    def _record(self, number: int) -> bytes:
        place = self.instrument_at(number)
        instrument = self._of[place]
        within = number - self._first_note[place]
        note = dict(_rendered(instrument.family, instrument.number % 4))
        pitch, velocity = 21 + within // 5 % 88, (25, 50, 75, 100, 127)[within % 5]
        name = f"{nsynth.FAMILIES[instrument.family]}_acoustic_{instrument.number:03d}"
        note |= {
            nsynth.NOTE: 1_000_000 + number,  # of the same length as a varint, wherever it stands
            nsynth.INSTRUMENT: place,
            nsynth.INSTRUMENT_STR: name,
            nsynth.NOTE_STR: f"{name}-{pitch:03d}-{velocity:03d}",
            nsynth.PITCH: pitch,
            nsynth.VELOCITY: velocity,
        }
        return tfrecord.frame(serialize(note))


@functools.cache
def _rendered(family: int, variant: int) -> dict[str, Any]:
    return make_note(np.random.default_rng([family, variant]), family)


class Behaviour:
    """What the server does; tests change it while it runs."""

    def __init__(self) -> None:
        self.latency_s = 0.0
        self.bytes_per_s = 0.0
        """Of all connections together; 0 means as fast as it can."""
        self.ranges = True
        self.etag = '"first"'
        self.checksums = ""
        """Value of x-goog-hash."""
        self.statuses: list[int] = []
        """Answers to the next requests, in place of the file."""
        self.cut_every = 0
        """Cut each so-manieth answer in the middle."""
        self.corrupt: list[int] = []
        """Numbers of answers in which a byte is wrong."""
        self.requests = 0
        self.bytes_sent = 0
        self.user_agents: set[str] = set()


class Server(ThreadingHTTPServer):
    """Serves virtual files by name on a free port of this machine."""

    daemon_threads = True

    def __init__(self, files: dict[str, VirtualFile]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.behaviour = Behaviour()
        self._lock = threading.Lock()
        self._free_at = 0.0

    @property
    def url(self) -> str:
        """The address to give to `--mirror`."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""

    def count_request(self) -> int:
        """Return the number of this request."""
        with self._lock:
            self.behaviour.requests += 1
            return self.behaviour.requests

    def wait_to_send(self, count: int) -> None:
        """Share the bandwidth out."""
        with self._lock:
            self.behaviour.bytes_sent += count
            if not self.behaviour.bytes_per_s:
                return
            self._free_at = max(self._free_at, time.monotonic()) + count / self.behaviour.bytes_per_s
            until = self._free_at
        time.sleep(max(0.0, until - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        behaviour, number = self.server.behaviour, self.server.count_request()
        behaviour.user_agents.add(self.headers.get("User-Agent", ""))
        time.sleep(behaviour.latency_s)
        if behaviour.statuses:
            self._refuse(behaviour.statuses.pop(0))
            return
        file = self.server.files.get(self.path.lstrip("/"))
        if file is None:
            self._refuse(404)
            return
        start, end, status = self._asked(file.size)
        if status == 416:
            self._refuse(416)
            return
        self.send_response(status)
        self.send_header("ETag", behaviour.etag)
        self.send_header("Content-Length", str(end - start))
        if behaviour.checksums:
            self.send_header("x-goog-hash", behaviour.checksums)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{file.size}")
        self.end_headers()
        long = end - start > 1  # the first question, for one byte, stays unharmed
        cut = long and behaviour.cut_every and number % behaviour.cut_every == 0
        self._send(file, start, start + (end - start) // 2 if cut else end, number in behaviour.corrupt)
        if cut:
            self.close_connection = True

    def _asked(self, size: int) -> tuple[int, int, int]:
        """Start, end and status of the answer, as RFC 9110 wants it."""
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        same = self.headers.get("If-Range", self.server.behaviour.etag) == self.server.behaviour.etag
        if not asked or not self.server.behaviour.ranges or not same:
            return 0, size, 200
        start, end = int(asked[1]), min(int(asked[2]) + 1, size)
        return start, end, 206 if start < size else 416

    def _send(self, file: VirtualFile, start: int, end: int, corrupt: bool) -> None:
        for place in range(start, end, _SEND_BYTES * 16):
            content = file.read(place, min(end, place + _SEND_BYTES * 16))
            if corrupt and place == start:
                content = content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:]
            for at in range(0, len(content), _SEND_BYTES):
                piece = content[at : at + _SEND_BYTES]
                self.server.wait_to_send(len(piece))
                self.wfile.write(piece)

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()


def start_download(server: Server, out: Path, notes: int) -> subprocess.Popen[bytes]:
    """Start `nsynth download` of so many notes of train from the server into the folder `out`."""
    options = ("--splits", "train", "--notes", str(notes), "--mirror", server.url, "--out", out)
    return subprocess.Popen(nsynth_command("download", *options), stdout=subprocess.DEVNULL)


def main() -> None:
    """Serve all three splits, at their official sizes, until it is interrupted."""
    with Server({official.file_name(s): VirtualFile(instruments(s)) for s in official.SPLITS}) as server:
        print(f"nsynth download --mirror {server.url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

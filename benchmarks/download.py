"""What `nsynth download` costs: requests, bytes wasted, time, CPU time and memory; and which instruments it meets.

`make bench-download`. The official file is simulated: its size and its notes of each family are the official ones,
the notes of each instrument are drawn (benchmarks.nsynth_server). The first table is computed from the plan of a
default download; the second is measured on a server on loopback with the latency and the bandwidth of a network.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.nsynth_server import TRAIN_FILE, Instrument, Server, VirtualFile, instruments, start_download
from pipeline.download import official, sample
from pipeline.download.download import TRAIN_NOTES
from pipeline.download.part import CONNECTIONS

RUNS = (1, 2, 4, 6, 8, 16)
_SEEDS = 5


class Planned(NamedTuple):
    """What a run length comes to in a default download of train."""

    requests: int
    fetched_bytes: int
    kept_bytes: int
    seconds: float
    instruments: float
    """Share of the instruments met, the lowest of some seeds."""


class Measured(NamedTuple):
    """One download in a process of its own."""

    requests: int
    fetched_bytes: int
    kept_bytes: int
    seconds: float
    cpu_ms_a_note: float
    peak_mb: float


def planned(run: int, notes: int, latency_s: float, bytes_per_s: float) -> Planned:
    """Compute what the plan of a sample costs, with CONNECTIONS requests at a time."""
    shares, fetched, kept, requests = [], 0, 0, 0
    for seed in range(_SEEDS):
        made = instruments("train", seed=seed)
        file = VirtualFile(made)
        record = file.size // file.notes
        places = sample.plan(file.size, record, notes, seed, run)
        if places is None:
            raise click.UsageError(f"{notes:,} notes are most of the file")
        requests = len(places) + 2  # its size, and the length of its first record
        fetched = sum(place.segment.length for place in places)
        kept = notes * record
        shares.append(len(_met(file, places)) / len(made))
    waiting_s = requests * latency_s / CONNECTIONS
    return Planned(requests, fetched, kept, max(waiting_s, fetched / bytes_per_s), min(shares))


def _met(file: VirtualFile, places: list[sample.Place]) -> set[int]:
    met: set[int] = set()
    for place in places:
        first = file.records_from(place.segment.start)
        met.update(file.instrument_at(first + n) for n in range(place.records))
    return met


def measured(server: Server, notes: int, out: Path) -> Measured:
    """Download a sample of train by the command line."""
    server.behaviour.requests = server.behaviour.bytes_sent = 0
    began = time.monotonic()
    _, status, usage = os.wait4(start_download(server, out, notes).pid, 0)
    if status:
        raise click.ClickException("the download failed")
    return Measured(
        server.behaviour.requests,
        server.behaviour.bytes_sent,
        (out / TRAIN_FILE).stat().st_size,
        time.monotonic() - began,
        1000 * (usage.ru_utime + usage.ru_stime) / notes,
        usage.ru_maxrss / 1024,
    )


@click.command()
@click.option("--latency-ms", default=50.0, show_default=True)
@click.option("--mbit", default=100.0, show_default=True, help="Bandwidth of the network, megabits a second.")
@click.option("--notes", "sizes", multiple=True, type=int, default=(800, 2_400), show_default=True,
              help="Notes of the downloads that are measured.")  # fmt: skip
def main(latency_ms: float, mbit: float, sizes: tuple[int, ...]) -> None:
    """Print both tables."""
    bytes_per_s = mbit * 1e6 / 8
    network = f"{latency_ms:.0f} ms latency, {mbit:.0f} Mbit/s, {CONNECTIONS} connections"
    click.echo(f"computed: {TRAIN_NOTES:,} of {official.NOTES['train']:,} train notes; {network}")
    click.echo("notes at a place  requests  fetched GB  wasted   time s  instruments met")
    for run in RUNS:
        row = planned(run, TRAIN_NOTES, latency_ms / 1000, bytes_per_s)
        click.echo(
            f"{run:16}  {row.requests:8,}  {row.fetched_bytes / 1e9:10.2f}  {_wasted(row)}  {row.seconds:7.0f}  "
            f"{row.instruments:15.1%}{' (default)' * (run == sample.RUN_RECORDS)}"
        )
    made: list[Instrument] = instruments("train")
    with (
        Server({TRAIN_FILE: VirtualFile(made)}) as server,
        tempfile.TemporaryDirectory(prefix="nsynth-") as scratch,
    ):
        server.behaviour.latency_s, server.behaviour.bytes_per_s = latency_ms / 1000, bytes_per_s
        click.echo(f"\nmeasured, on loopback: {network}")
        click.echo("notes   requests  fetched GB  wasted   time s  CPU ms a note  peak memory MB")
        for notes in sizes:
            found = measured(server, notes, Path(scratch, str(notes)))
            click.echo(
                f"{notes:5,}  {found.requests:9,}  {found.fetched_bytes / 1e9:10.2f}  {_wasted(found)}  "
                f"{found.seconds:7.0f}  {found.cpu_ms_a_note:13.1f}  {found.peak_mb:14.0f}"
            )


def _wasted(row: Planned | Measured) -> str:
    return f"{1 - row.kept_bytes / row.fetched_bytes:6.1%}"


if __name__ == "__main__":
    main()

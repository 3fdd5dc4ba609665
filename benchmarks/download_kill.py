"""`kill -9` of `nsynth download` at random moments, then the same command: `make download-kill`.

The file that results must be the one that an undisturbed download yields, byte for byte, and nothing that is
incomplete may ever look like data.
"""

import hashlib
import random
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.nsynth_server import TRAIN_FILE, Server, VirtualFile, instruments, start_download


class Outcome(NamedTuple):
    """One killed and resumed download."""

    killed_after_s: float
    kept_bytes: int
    """What the killed process left behind, and what the next one did not have to fetch."""
    fetched_bytes: int
    """What the server sent in all."""
    digest: str
    visible: bool
    """Whether a data file was there after the kill."""


def undisturbed(server: Server, out: Path, notes: int) -> tuple[str, float]:
    """Return the SHA-256 of what comes without a kill, and how long it takes in seconds."""
    began = time.monotonic()
    if start_download(server, out, notes).wait():
        raise RuntimeError("the download failed")
    return _digest(out / TRAIN_FILE), time.monotonic() - began


def kill_once(server: Server, out: Path, notes: int, after_s: float) -> Outcome:
    """Kill a download after some seconds, and run the same command until it ends."""
    server.behaviour.bytes_sent = 0
    process = start_download(server, out, notes)
    time.sleep(after_s)
    process.kill()
    process.wait()
    kept = out / ".nsynth-download" / "train" / "data"
    kept_bytes = kept.stat().st_blocks * 512 if kept.exists() else 0
    visible = (out / TRAIN_FILE).exists()
    if start_download(server, out, notes).wait():
        raise RuntimeError("the download failed")
    return Outcome(after_s, kept_bytes, server.behaviour.bytes_sent, _digest(out / TRAIN_FILE), visible)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@click.command()
@click.option("--times", default=20, show_default=True)
@click.option("--notes", default=240, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(times: int, notes: int, seed: int) -> None:
    """Kill a download at random moments and compare what comes out."""
    moments = random.Random(seed)
    file = VirtualFile(instruments("train", share=0.007))
    with Server({TRAIN_FILE: file}) as server, tempfile.TemporaryDirectory(prefix="nsynth-kill-") as scratch:
        server.behaviour.bytes_per_s = 30e6
        wanted, seconds = undisturbed(server, Path(scratch, "undisturbed"), notes)
        click.echo(f"undisturbed: {seconds:.1f} s, {server.behaviour.bytes_sent / 1e6:.1f} MB sent")
        faults = 0
        for number in range(times):
            found = kill_once(server, Path(scratch, str(number)), notes, moments.uniform(0, seconds))
            same = found.digest == wanted
            faults += not same
            click.echo(
                f"killed after {found.killed_after_s:4.1f} s: {found.kept_bytes / 1e6:5.1f} MB kept, "
                f"{found.fetched_bytes / 1e6:5.1f} MB sent in all, "
                f"{'the same bytes' if same else 'OTHER BYTES'}"
            )
    if faults:
        raise click.ClickException(f"{faults} of {times} downloads came out differently")
    click.echo(f"{times} of {times} downloads came out the same")


if __name__ == "__main__":
    main()

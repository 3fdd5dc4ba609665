"""Sixty thousand notes through the whole pipeline: `python -m benchmarks.scale` prints a line each 5,000 notes.

Generated tones, one `nsynth run` with one epoch of the `small` network, from ingest to the answers of the model. The
parent looks on: files that a step has finished tell how far it is; the kernel tells memory and bytes of the disk.
Nothing is left of data and results, however it ends; the figures are.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

import nsynth
from benchmarks import harness
from benchmarks.synthetic import write_tfrecord
from benchmarks.watch import Tree, Use
from pipeline import exit_codes
from transform.options import SpectrogramOptions

_RAW_BYTES = 4 * nsynth.NOTE_SAMPLES + 300  # of a note
_WAIST_BYTES = 2 * SpectrogramOptions().bytes_per_note  # single precision
PHASES = {
    "ingest": ("ExampleGen/examples/*/Split-*/data_tfrecord-*", _RAW_BYTES),
    "Transform, pass 1": ("Transform/**/middle-*", _WAIST_BYTES),
    "Transform, pass 2": ("Transform/transformed_examples/*/Split-*/*", SpectrogramOptions().bytes_per_note),
}
"""Work whose progress can be counted: its finished files below the artifacts, bytes of a note in them."""
_ROOM = 2.2  # times the bytes of the raw notes: these and ingest's copy, later that copy, the waist and the result
_DISK_TRIPS = 4.5  # times the same bytes: all that is written and read again
_CPU_MS_A_NOTE = 15  # generating, preparing, an epoch of training, answers: assumed, for the forecast alone
_PROBE_BYTES = 1 << 30
_COMPARED_NOTES = 6000  # memory at the end is compared with that after so many notes
_SAMPLE_S = 0.5


@click.command()
@click.option("--notes", default=60_000, show_default=True, help="How many; 60,000 take 34 GB of the disk.")
@click.option("--every", default=5000, show_default=True, help="A line each so many notes.")
@click.option("--size", default="small", show_default=True, help="Of the network.")
@click.option("--folder", default="workspace/benchmarks/scale", show_default=True, type=Path,
              help="Emptied before and after.")  # fmt: skip
@harness.output_option("scale")
def main(notes: int, every: int, size: str, folder: Path, output: Path) -> None:
    """Measure the whole pipeline on many notes: speed, memory, and the disk's part in it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _emptied(folder):
        disk = measure_disk(folder, min(_PROBE_BYTES, notes * _RAW_BYTES))
        check_room(folder, notes)
        click.echo(forecast(notes, disk))
        result = {"machine": harness.machine(), "notes": notes, "size": size, "disk": disk}
        result |= _measure(folder, notes, every, size, disk)
    click.echo(table(result))
    harness.save(output, result)


@contextlib.contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Remove what an earlier measurement left, and what this one leaves, even if it is interrupted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_room(folder: Path, notes: int) -> None:
    """Make sure that the disk has room.

    Raises:
      click.ClickException: it has not.
    """
    needed, free = _ROOM * notes * _RAW_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        raise click.ClickException(
            f"{folder}: {notes:,} notes need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free. "
            f"Make room, or give --folder on another disk, or at most --notes {int(notes * free / needed):,}."
        )


def measure_disk(folder: Path, size: int) -> dict[str, float]:
    """Return the disk's own rates: bytes a second of a file that is written, flushed, dropped from memory and read."""
    path, block = folder / "probe", os.urandom(1 << 20)
    blocks = max(1, size // len(block))
    started = time.monotonic()
    with path.open("wb", buffering=0) as file:
        for _ in range(blocks):
            file.write(block)
        os.fsync(file.fileno())
        written = time.monotonic() - started
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.monotonic()
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    read = time.monotonic() - started
    path.unlink()
    return {
        "write_bytes_per_s": blocks * len(block) / written,
        "read_bytes_per_s": blocks * len(block) / read,
    }


def forecast(notes: int, disk: dict[str, float]) -> str:
    """Return how long it will take, in words."""
    write, read = disk["write_bytes_per_s"], disk["read_bytes_per_s"]
    trips = _DISK_TRIPS / 2 * notes * _RAW_BYTES
    least = 60 + notes * _CPU_MS_A_NOTE / 1e3
    most = least + trips / write + trips / read
    return (
        f"{notes:,} notes, {notes * _RAW_BYTES / 1e9:.1f} GB. The disk writes {write / 1e6:,.0f} MB/s and reads "
        f"{read / 1e6:,.0f} MB/s. This takes some {least:,.0f} to {most:,.0f} s, and more beside other work."
    )


def _measure(folder: Path, notes: int, every: int, size: str, disk: dict[str, float]) -> dict[str, Any]:
    data, workspace = folder / "data", folder / "workspace"
    data.mkdir()
    started = time.monotonic()
    write_tfrecord(data / "nsynth-train.tfrecord", notes)
    generated = time.monotonic() - started
    click.echo(f"{notes:,} notes generated in {generated:.0f} s")
    recipe = {"recipe.size": size, "recipe.epochs": 1, "recipe.warmup_epochs": 0.5}
    settings = {"data": data, "workspace": workspace, **recipe}
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = harness.nsynth_command("run", *overrides)
    log = folder / "log"
    started = time.monotonic()
    with log.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        lines = list(_follow(child, workspace, data, every, disk))
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    if code not in (exit_codes.OK, exit_codes.NOT_BLESSED):
        raise click.ClickException(f"nsynth run ended with {code}:\n{log.read_text()[-3000:]}")
    return {
        "generated_s": generated,
        "wall_s": time.monotonic() - started,
        "lines": lines,
        "phases": summarize(lines),
        "steps_s": _steps(workspace),
    }


def _follow(
    child: subprocess.Popen[bytes], workspace: Path, data: Path, every: int, disk: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Yield a line each `every` notes of a phase and at its end; it is printed and yielded."""
    tree, artifacts = Tree(child.pid), workspace / "artifacts"
    started = time.monotonic()
    phases = [_Phase(name, artifacts, every, disk) for name in PHASES]
    peak = 0
    while child.poll() is None:
        time.sleep(_SAMPLE_S)
        now, use = time.monotonic() - started, tree.use()
        peak = max(peak, use.rss_bytes)
        for phase in phases:
            yield from phase.look(now, use, peak)
        for phase, following in pairwise(phases):
            if following.has_begun:
                yield from phase.end()
        if data.exists() and (artifacts / "Transform").exists():
            shutil.rmtree(data)  # makes room: ingest's copy is all that is read from here on
    for phase in phases:
        yield from phase.end()


class _Phase:
    """One countable piece of work."""

    def __init__(self, name: str, artifacts: Path, every: int, disk: dict[str, float]):
        self._name, self._artifacts, self._every, self._disk = name, artifacts, every, disk
        self._pattern, self._note_bytes = PHASES[name]
        self._notes, self._reported = 0, 0
        self._before: tuple[float, Use] | None = None  # when the last line was printed
        self._last: tuple[float, Use, int] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a note has come through."""
        return self._notes > 0

    def look(self, now: float, use: Use, peak: int) -> Iterator[dict[str, Any]]:
        """Count what is there; give a line if it is time for one."""
        files = self._artifacts.glob(self._pattern)
        notes = sum(_size(path) for path in files) // self._note_bytes
        if self._before is None:
            self._before = (now, use)
        if not notes:
            self._before = (now, use)
        elif notes > self._notes:  # fewer: what was between two passes has been removed
            self._notes, self._last = notes, (now, use, peak)
            if notes - self._reported >= self._every:
                yield self._line()

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield the line of what came after the last one."""
        if self._notes > self._reported:
            yield self._line()

    def _line(self) -> dict[str, Any]:
        assert self._before is not None
        assert self._last is not None
        (then, before), (now, use, peak) = self._before, self._last
        seconds = max(now - then, 1e-9)
        read, written = use.read_bytes - before.read_bytes, use.written_bytes - before.written_bytes
        busy = read / self._disk["read_bytes_per_s"] + written / self._disk["write_bytes_per_s"]
        notes = self._notes - self._reported
        line = {
            "phase": self._name,
            "notes": self._notes,
            "at_s": now,
            "notes_per_s": notes / seconds,
            "cpu_ms_a_note": 1e3 * (use.cpu_s - before.cpu_s) / notes,
            "rss_bytes": use.rss_bytes,
            "peak_rss_bytes": peak,
            "read_bytes": read,
            "written_bytes": written,
            "of_disk_time": busy / seconds,
            "load_1_min": os.getloadavg()[0],
        }
        self._before, self._reported = (now, use), self._notes
        click.echo(
            f"{now:7.0f} s  {self._name:18} {self._notes:>8,} notes  {line['notes_per_s']:6,.0f} notes/s  "
            f"{line['cpu_ms_a_note']:5.2f} CPU ms a note  "
            f"memory {use.rss_bytes / 1e9:.2f} GB (peak {peak / 1e9:.2f})  "
            f"read {read / 1e9:.2f} GB, written {written / 1e9:.2f} GB: {line['of_disk_time']:.0%} of the disk's time  "
            f"load {line['load_1_min']:.1f}"
        )
        return line


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it has just been removed


def summarize(lines: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of each phase: memory after 6,000 notes and at the end, and how it grew."""
    found = {}
    for phase in dict.fromkeys(line["phase"] for line in lines):
        of_phase = [line for line in lines if line["phase"] == phase]
        early = next((line for line in of_phase if line["notes"] >= _COMPARED_NOTES), of_phase[-1])
        found[phase] = {
            "notes": of_phase[-1]["notes"],
            "early_notes": early["notes"],
            "early_rss_bytes": early["rss_bytes"],
            "end_rss_bytes": of_phase[-1]["rss_bytes"],
            "rss_growth": of_phase[-1]["rss_bytes"] / early["rss_bytes"] - 1,
        }
    return found


def _steps(workspace: Path) -> dict[str, float]:
    from pipeline.history.past_runs import load_run, open_store

    steps = load_run(open_store(workspace / "metadata.sqlite")).steps.values()
    return {step.name: step.seconds for step in sorted(steps, key=lambda step: step.started)}


def table(result: dict[str, Any]) -> str:
    """Return seconds and notes a second of every step, and how memory grew, as Markdown."""
    rows = [
        harness.markdown(
            ("step", "s", "notes/s"),
            (
                (name, f"{seconds:,.1f}", f"{result['notes'] / seconds:,.0f}")
                for name, seconds in result["steps_s"].items()
                if seconds >= 0.5
            ),
        )
    ]
    for phase, memory in result["phases"].items():
        span = f"from {memory['early_notes']:,.0f} to {memory['notes']:,.0f} notes"
        rows.append(f"\n{phase}: memory {memory['rss_growth']:+.1%} {span}.")
    return "\n".join(rows)


if __name__ == "__main__":
    main()

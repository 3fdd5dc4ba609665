"""`nsynth classify`: how long until the first answer, and how many notes a second then."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import nsynth
from benchmarks import harness
from components.registry import Registry
from pipeline.classify import FILES_AT_ONCE
from pipeline.config import load_config

FIRST_ANSWER_S = 5.0  # at most
NOTES_PER_S = 100.0  # at least
_KINDS = {
    "WAV, 16 kHz, mono": ("wav", nsynth.SAMPLE_RATE_HZ, 1),
    "FLAC, 44.1 kHz, stereo": ("flac", 44_100, 2),
}


@click.command()
@click.option("--model", type=click.Path(exists=True, path_type=Path),
              help="A pushed version. Default: the one that serves in workspace/models.")  # fmt: skip
@click.option("--notes", default=1000, show_default=True, help="Files of 4 s to classify.")
@click.option("--repeats", default=5, show_default=True, help="Runs of each measurement; the median counts.")
@harness.output_option("classify")
def main(model: Path | None, notes: int, repeats: int, output: Path) -> int:
    """Measure the command as a user starts it, each time in a fresh process."""
    model = model or serving()
    result: dict[str, Any] = {"machine": harness.machine(), "model": str(model), "notes": notes}
    with tempfile.TemporaryDirectory(prefix="bench-classify-") as folder:
        for kind, (suffix, rate, channels) in _KINDS.items():
            files = Path(folder, suffix)
            write_notes(files, notes, suffix, rate, channels)
            first = [ask([str(next(files.iterdir()))], model)[0] for _ in range(repeats)]
            rates = [rate_of(ask(["--batch", str(files)], model)) for _ in range(repeats)]
            result[kind] = {"first_answer_s": first, "notes_per_s": rates}
    harness.save(output, result)
    return tell(result)


def serving() -> Path:
    """Return the model that `make run` pushed."""
    version = Registry(load_config().models).serving()
    if version is None:
        raise nsynth.UserError("no model has been pushed yet: start `make run`, or name one with --model")
    return Path(version.path)


def write_notes(folder: Path, count: int, suffix: str, rate: int, channels: int) -> None:
    """Write files of one note's length: a tone under noise, each another one, so that no two are read alike."""
    import soundfile

    folder.mkdir()
    rng = np.random.default_rng(0)
    times = np.arange(int(nsynth.NOTE_SECONDS * rate)) / rate
    noise = rng.normal(0, 0.02, (len(times), channels))
    for number in range(count):
        tone = 0.5 * np.sin(2 * np.pi * rng.uniform(80, 2000) * times) * np.exp(-times)
        soundfile.write(
            folder / f"{number:05}.{suffix}", tone[:, None] + np.roll(noise, number, axis=0), rate
        )


def ask(arguments: list[str], model: Path) -> list[float]:
    """Start the command; return after how many seconds each of its answers came."""
    command = harness.nsynth_command("classify", "--json", "--model", model, *arguments)
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    moments = [time.monotonic() - began for _ in process.stdout]
    _, errors = process.communicate()
    if process.returncode:
        raise click.ClickException(errors[-2000:])
    return moments


def rate_of(moments: list[float]) -> float:
    """Return notes a second once it has started: answers come in groups, and it counts from the end of the first."""
    return (len(moments) - FILES_AT_ONCE) / (moments[-1] - moments[FILES_AT_ONCE - 1])


def tell(result: dict[str, Any]) -> int:
    """Print medians beside the limits; exit code 1 if one is missed."""
    missed = False
    for kind in _KINDS:
        first = statistics.median(result[kind]["first_answer_s"])
        rate = statistics.median(result[kind]["notes_per_s"])
        missed |= first > FIRST_ANSWER_S or rate < NOTES_PER_S
        click.echo(f"{kind:<24} first answer {first:5.2f} s, then {rate:6.0f} notes/s")
    click.echo(f"asked: at most {FIRST_ANSWER_S:g} s, at least {NOTES_PER_S:g} notes/s; "
               f"load {result['machine']['load_1_min']:.1f} on {result['machine']['cores']} cores")  # fmt: skip
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))

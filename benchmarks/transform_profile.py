"""Where each second of the Transform step goes: `python -m benchmarks.transform_profile` prints a table.

A sampler asks the kernel every few milliseconds how much CPU time each Python thread has had, and puts it down to the
frame that the thread is in. CPU time does not grow with what else runs on the machine. What the process used beyond
its Python threads are TensorFlow's own.
"""

import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import click

from benchmarks import harness
from benchmarks.transform import generate
from benchmarks.transform_variants import prepare

VARIANTS = ("stock", "stock-lean", "ours")
TENSORFLOW = "the graph, in TensorFlow's own threads"
_PERIOD_S = 0.004
_KINDS = (
    ("statistics over dense features", re.compile(r"tensorflow_data_validation")),
    ("compression", re.compile(r"CompressedFile\.(write|flush|close|_compress)")),
    ("decompression", re.compile(r"CompressedFile\.(read|readline|_read|_fetch)")),
    ("decoding into Arrow", re.compile(r"DecodeBatch|tfx_bsl/(tfxio|coders)")),
    ("tracing, saving and loading graphs",
     re.compile(r"trace_and_write|trace_preprocessing|trace_upper|saved_model|load_lower_half|_traced|get_concrete")),
    ("the graph, called from Python", re.compile(r"quick_execute|iterator_get_next|make_iterator")),
    ("serializing notes", re.compile(r"example_proto_coder|example_coder|transform/(codec|waist)")),
    ("writing files", re.compile(r"TFRecordWriter|tfrecordio|file_io\.py|filesystem")),
    ("sums of the analysis", re.compile(r"transform/analysis|tensorflow_transform/analyzers")),
    ("Beam: pickling and inspecting the pipeline",
     re.compile(r"pickler|cloudpickle|inspect\.py|argparse|typehints|to_runner_api|from_runner_api")),
    ("Beam: between the batches", re.compile(r"apache_beam")),
)  # fmt: skip


@click.command()
@click.option("--notes", default=2000, show_default=True, help="Notes to transform.")
@harness.output_option("transform_profile")
def main(notes: int, output: Path) -> None:
    """Profile stock Transform, stock without statistics and gzip, and ours."""
    with tempfile.TemporaryDirectory(prefix="profile-transform-") as folder:
        generate(Path(folder, "notes"), notes)
        job = {"count": notes, "notes": f"{folder}/notes"}
        found = {
            variant: harness.fresh(profile, variant, variant=variant, out=f"{folder}/{variant}", **job)
            for variant in VARIANTS
        }
    click.echo(f"{table(found)}\n\n{notes:,} notes.")
    harness.save(output, {"notes": notes, "cpu_seconds": found})


def profile(variant: str, count: int, notes: str, out: str) -> dict[str, float]:
    """CPU seconds of one variant in this process, by kind of work; imports are done before."""
    run = prepare(variant, Path(notes), count, Path(out))
    sampler = Sampler()
    cpu = time.process_time()
    sampler.start()
    run()
    cpu = time.process_time() - cpu
    sampler.stop()
    seconds = dict(sampler.seconds)
    return seconds | {TENSORFLOW: cpu - sum(seconds.values()), "all": cpu}


class Sampler(threading.Thread):
    """Puts the CPU time of every Python thread down to what it is doing."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seconds: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._before = {thread.native_id: cpu_s(thread.native_id) for thread in threading.enumerate()}

    def run(self) -> None:
        """Samples until it is told to stop."""
        while not self._stopped.wait(_PERIOD_S):
            self._sample()

    def stop(self) -> None:
        """Takes the last sample."""
        self._stopped.set()
        self.join()

    def _sample(self) -> None:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            used = cpu_s(thread.native_id)
            new = used - self._before.get(thread.native_id, 0.0)
            self._before[thread.native_id] = used
            if new > 0 and thread.ident in frames:
                self.seconds["the profiler" if thread is self else kind_of(_stack(frames[thread.ident]))] += (
                    new
                )


def cpu_s(native_id: int | None) -> float:
    """CPU time that a thread of this process has had; 0 if it has ended."""
    try:
        return int(Path(f"/proc/self/task/{native_id}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _stack(frame: FrameType | None) -> Iterator[str]:
    """Names of the frames, the innermost first."""
    while frame is not None:
        yield f"{frame.f_code.co_qualname} ({frame.f_code.co_filename})"
        frame = frame.f_back


def kind_of(frames: Iterable[str]) -> str:
    """The kind of the innermost frame that has one."""
    for frame in frames:
        for kind, pattern in _KINDS:
            if pattern.search(frame):
                return kind
    return "the rest"


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures as Markdown."""
    kinds = [*(kind for kind, _ in _KINDS), TENSORFLOW, "the rest", "the profiler", "all"]
    rows = ([kind, *(f"{seconds.get(kind, 0):.1f}" for seconds in found.values())] for kind in kinds)
    return harness.markdown(["CPU seconds", *found], rows)


if __name__ == "__main__":
    main()

"""Where each second of the Transform step goes: `python -m benchmarks.transform_profile` prints a table.

A sampling profiler looks at the Python threads of stock and of ours a hundred times a second. TensorFlow's own
threads it does not see: their share is the CPU time that the process used beyond what the Python threads did.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click

from benchmarks.transform import _generate

VARIANTS = ("stock", "stock-lean", "ours")
_RATE_HZ = 100
_IDLE = re.compile(r"(Condition\.wait|Thread\.run|_worker|thread \([^)]*\): \w*)( \([^)]*\))?$")
_KINDS = (
    ("imports (not counted)", re.compile(r"importlib\._bootstrap")),
    ("statistics over dense features", re.compile(r"tensorflow_data_validation")),
    ("compression", re.compile(r"CompressedFile\.(write|flush|close|_compress)")),
    ("decompression", re.compile(r"CompressedFile\.(read|readline|_read|_fetch)")),
    ("decoding into Arrow", re.compile(r"DecodeBatch|tfx_bsl/(tfxio|coders)")),
    ("tracing, saving and loading graphs",
     re.compile(r"trace_and_write|trace_preprocessing|trace_upper|saved_model|load_lower_half|_traced|get_concrete")),
    ("the graph: running it and waiting for it", re.compile(r"quick_execute|iterator_get_next|make_iterator")),
    ("serializing notes", re.compile(r"example_proto_coder|example_coder|transform/(codec|waist)")),
    ("writing files", re.compile(r"TFRecordWriter|tfrecordio|file_io\.py|filesystem")),
    ("sums of the analysis", re.compile(r"transform/analysis|tensorflow_transform/analyzers")),
    ("Beam: pickling and inspecting the pipeline",
     re.compile(r"pickler|cloudpickle|inspect\.py|argparse|typehints|to_runner_api|from_runner_api")),
    ("Beam: between the batches", re.compile(r"apache_beam")),
)  # fmt: skip


@click.command()
@click.option("--notes", default=2000, show_default=True, help="Notes to transform.")
@click.option("--output", default="workspace/benchmarks/transform_profile.json", show_default=True, type=Path)
def main(notes: int, output: Path) -> None:
    """Profile stock Transform, stock without statistics and gzip, and ours."""
    with tempfile.TemporaryDirectory(prefix="profile-transform-") as folder:
        _generate(Path(folder) / "notes", notes)
        found = {variant: _profile(variant, notes, Path(folder)) for variant in VARIANTS}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"notes": notes, "seconds": found}, indent=2))
    click.echo(table(found))
    click.echo(f"\n{notes:,} notes. Written to {output}")


def _profile(variant: str, notes: int, folder: Path) -> dict[str, float]:
    """Seconds by kind of work."""
    click.echo(variant, err=True)
    job = {"variant": variant, "count": notes, "notes": str(folder / "notes"), "out": str(folder / variant)}
    samples = folder / "samples"
    sampler = [
        "py-spy",
        "record",
        "--rate",
        str(_RATE_HZ),
        "--threads",
        "--format",
        "raw",
        "-o",
        str(samples),
    ]
    measured = [sys.executable, "-m", "benchmarks.transform", "--measure", json.dumps(job)]
    command = [str(Path(sys.executable).parent / sampler[0]), *sampler[1:], "--", *measured]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException((done.stderr + done.stdout)[-3000:])
    measurement: dict[str, Any] = next(json.loads(x) for x in done.stdout.splitlines() if x.startswith("{"))
    return seconds_by_kind(samples.read_text()) | {
        "all: CPU": measurement["cpu_s"],
        "all: wall": measurement["wall_s"],
    }


def seconds_by_kind(samples: str) -> dict[str, float]:
    """Reads the profiler's stacks, `frame;frame;... count` a line."""
    counts: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and not _IDLE.search(stack):
            counts[_kind(stack)] += int(count)
    return {kind: count / _RATE_HZ for kind, count in counts.most_common()}


def _kind(stack: str) -> str:
    """The kind of the innermost frame that has one."""
    for frame in reversed(stack.split(";")):
        for kind, pattern in _KINDS:
            if pattern.search(frame):
                return kind
    return "the rest"


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures as Markdown."""
    kinds = [kind for kind, _ in _KINDS[1:]] + ["the rest", "all: CPU", "all: wall"]
    lines = [f"| seconds | {' | '.join(found)} |", f"| --- |{' --: |' * len(found)}"]
    lines += [
        f"| {kind} | {' | '.join(f'{seconds.get(kind, 0):.1f}' for seconds in found.values())} |"
        for kind in kinds
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

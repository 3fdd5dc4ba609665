"""Transform against stock TFX, tf.data and the bare kernel: `python -m benchmarks.transform` prints a table.

Each measurement is a fresh process, the variants take turns, and imports do not count. The notes are generated
tones in the layout of ingest. Other work on the machine can only add to a time, so the least of the rounds counts.
What a note costs is the slope between the two largest sizes; what is fixed is what remains of the smallest.
"""

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import harness
from benchmarks.harness import OFFICIAL_NOTES
from benchmarks.transform_variants import VARIANTS, prepare

_SHARDS = 4
_DISTINCT_NOTES = 128
_ONE_CORE = "ours-1-core"
_LABELS = {**VARIANTS, _ONE_CORE: "(e) ours, pinned to one core"}


@click.command()
@harness.sizes_option(64, 2000, 8000)
@harness.rounds_option(2)
@harness.output_option("transform")
@harness.scratch_option("some 6 GB at 8,000 notes")
def main(notes: tuple[int, ...], rounds: int, output: Path, scratch: str | None) -> None:
    """Measure stock Transform, stock without its extras, a tf.data script, the kernel alone, and ours."""
    with tempfile.TemporaryDirectory(prefix="bench-transform-", dir=scratch) as folder:
        runs = _compare(sorted(notes), rounds, Path(folder))
    result = {"machine": harness.machine(), "runs": runs, "summary": summarize(runs)}
    _print(result)
    harness.save(output, result)


def _compare(sizes: list[int], rounds: int, folder: Path) -> list[dict[str, Any]]:
    runs = []
    for size in sizes:
        generate(folder / "notes", size)
        for _, variant in itertools.product(range(rounds), _LABELS):
            notes, out = str(folder / "notes"), str(folder / "out")
            label = f"{size:,} notes: {_LABELS[variant]}"
            runs.append(harness.fresh(measure, label, variant=variant, count=size, notes=notes, out=out))
            shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(folder / "notes")
    return runs


def generate(folder: Path, count: int) -> None:
    """Write a train split of `count` notes and a dev split of four, in files as ingest writes them."""
    from benchmarks.synthetic import make_notes
    from components.example_proto import serialize
    from components.tfrecord import frame

    notes = [frame(serialize(note)) for note in make_notes(min(count, _DISTINCT_NOTES))]
    for split, size in (("train", count), ("dev", _SHARDS)):
        (folder / f"Split-{split}").mkdir(parents=True)
        for shard in range(_SHARDS):
            name = f"Split-{split}/data_tfrecord-{shard:05}-of-{_SHARDS:05}"
            with (folder / name).open("wb") as file:
                for place in range(shard, size, _SHARDS):
                    file.write(notes[place % len(notes)])


def measure(variant: str, count: int, notes: str, out: str) -> dict[str, Any]:
    """Run one variant in this process: wall and CPU seconds, peak memory, bytes written."""
    if variant == _ONE_CORE:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    run = prepare(variant.removesuffix("-1-core"), Path(notes), count, Path(out))
    took = harness.timed(run)
    written = harness.written_bytes(Path(out, "examples"))
    return {"variant": variant, "notes": count, **took, "written_bytes": written}


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return fixed seconds, milliseconds a note and memory of each variant, and how ours stands to the others."""
    sizes = sorted({run["notes"] for run in runs})
    best = {
        name: [_best([r for r in runs if (r["variant"], r["notes"]) == (name, size)]) for size in sizes]
        for name in _LABELS
    }
    costs = {name: _cost(of) for name, of in best.items()}
    ours = costs["ours"]
    return {
        "best": best,
        "costs": costs,
        "ours_of_marginal_cpu": {
            name: ours["cpu_ms_a_note"] / cost["cpu_ms_a_note"] for name, cost in costs.items()
        },
        "ours_of_marginal_wall": {
            name: ours["wall_ms_a_note"] / cost["wall_ms_a_note"] for name, cost in costs.items()
        },
        "ours_of_fixed_cpu": {name: ours["fixed_cpu_s"] / costs[name]["fixed_cpu_s"] for name in VARIANTS},
        "two_cores_over_one": best[_ONE_CORE][-1]["wall_s"] / best["ours"][-1]["wall_s"],
        "two_cores_over_one_a_note": costs[_ONE_CORE]["wall_ms_a_note"] / ours["wall_ms_a_note"],
    }


def _best(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the least time of the rounds, and the most memory."""
    times = {key: min(run[key] for run in rounds) for key in ("wall_s", "cpu_s")}
    return {**rounds[0], **times, "peak_rss_bytes": max(run["peak_rss_bytes"] for run in rounds)}


def _cost(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a note costs between the two largest runs, what is fixed, and the cost in each step between."""
    *_, middle, last = runs
    steps = [1e3 * harness.slope(one, other, "cpu_s") for one, other in itertools.pairwise(runs)]
    return {**harness.costs(middle, last, runs[0]), "cpu_ms_a_note_by_step": steps}


def _print(result: dict[str, Any]) -> None:
    summary = result["summary"]
    columns = (
        "fixed CPU s",
        "CPU ms/note, by step",
        "fixed wall s",
        "wall ms/note",
        "notes/s",
        "peak RSS MB",
        "growth",
    )
    rows = []
    for name, cost in summary["costs"].items():
        run = summary["best"][name][-1]
        rows.append(
            (
                _LABELS[name],
                f"{cost['fixed_cpu_s']:.1f}",
                ", ".join(f"{slope:.2f}" for slope in cost["cpu_ms_a_note_by_step"]),
                f"{cost['fixed_wall_s']:.1f}",
                f"{cost['wall_ms_a_note']:.2f}",
                f"{run['notes'] / run['wall_s']:.0f}",
                f"{run['peak_rss_bytes'] / 1e6:,.0f}",
                f"{cost['peak_rss_growth']:+.1%}",
            )
        )
    harness.print_table(columns, rows)
    for clock in ("cpu", "wall"):
        shares = summary[f"ours_of_marginal_{clock}"].items()
        told = ", ".join(f"{share:.2f} × {_LABELS[name][:3]}" for name, share in shares if name in VARIANTS)
        click.echo(f"A note costs ours, in {clock} time: {told}")
    click.echo(f"Fixed CPU time of ours: {summary['ours_of_fixed_cpu']['stock']:.2f} × stock's")
    click.echo(
        f"All cores over one, wall time: {summary['two_cores_over_one']:.2f} × for the largest run, "
        f"{summary['two_cores_over_one_a_note']:.2f} × a note"
    )
    ours, theirs = (summary["costs"][name]["extrapolated_official_cpu_h"] for name in ("ours", "stock"))
    click.echo(f"EXTRAPOLATED to all {OFFICIAL_NOTES:,} notes: {ours:.2f} CPU hours, stock {theirs:.1f}")


if __name__ == "__main__":
    main()

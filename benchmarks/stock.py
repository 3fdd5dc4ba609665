"""What measurements against stock TFX share."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import harness

BEAM_ARGS = (
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    f"--setup_file={Path(__file__).parent.parent / 'setup.py'}",  # else TFX builds a source package
)

ONE_CORE = "one core"
"""The side that may use one core alone."""


def write_without_gzip() -> None:
    """Stock TFX has no option for it: the suffix decides, so take the suffix away."""
    from apache_beam.io import tfrecordio

    construct = tfrecordio.WriteToTFRecord.__init__

    def without_suffix(self: Any, *args: Any, file_name_suffix: str = "", **kwargs: Any) -> None:
        construct(self, *args, file_name_suffix=file_name_suffix.removesuffix(".gz"), **kwargs)

    tfrecordio.WriteToTFRecord.__init__ = without_suffix


def side_option(sides: Mapping[str, str]) -> Callable[[Any], Any]:
    """Option `--side`: which of them to measure, all by default."""
    choice = click.Choice(list(sides))
    return click.option("--side", multiple=True, type=choice, default=list(sides), help="Of these alone.")


def measure(
    name: str,
    side: str,
    notes: int,
    steps: Callable[[], list[Any]],
    out: Path,
    parts: Mapping[str, Sequence[str]],
) -> harness.Run:
    """Run TFX components in this process; artifacts and ML Metadata go below `out`.

    Args:
      name: of the pipeline.
      side: who is measured; of ONE_CORE the process keeps one core.
      notes: how many the components work on.
      steps: makes the components, before the clock starts.
      out: a new folder.
      parts: name of a part → the steps that it consists of, of which a side may lack some.

    Returns:
      side, notes, seconds of wall and CPU time, wall time of each part, and peak memory.
    """
    if side == ONE_CORE:
        harness.pin_to_one_core()
    taken = harness.timed(_runner(name, steps(), out))
    seconds = _step_seconds(out)
    return {
        "side": side,
        "notes": notes,
        **taken,
        "parts_wall_s": {
            part: sum(seconds.get(step, 0) for step in of_part) for part, of_part in parts.items()
        },
    }


def _runner(name: str, steps: list[Any], out: Path) -> Callable[[], None]:
    from tfx.orchestration import metadata
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.pipeline import Pipeline

    out.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(
        pipeline_name=name,
        pipeline_root=str(out / "artifacts"),
        components=steps,
        beam_pipeline_args=list(BEAM_ARGS),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(_store(out))),
    )
    return lambda: LocalDagRunner().run(pipeline)


def _step_seconds(out: Path) -> dict[str, float]:
    from pipeline.history.past_runs import load_run, open_store

    return {name: step.seconds for name, step in load_run(open_store(_store(out))).steps.items()}


def by_side(runs: list[harness.Run]) -> dict[str, list[harness.Run]]:
    """Sort the runs by side, the fewest notes first."""
    sides = dict.fromkeys(run["side"] for run in runs)
    return {s: sorted((r for r in runs if r["side"] == s), key=lambda r: r["notes"]) for s in sides}


def markdown(runs: list[harness.Run], sides: dict[str, str]) -> str:
    """Return a Markdown table with a row a run: the seconds of its parts, of all, of CPU, and its peak memory."""
    head = [
        "",
        "notes",
        *(f"{part}, s" for part in runs[0]["parts_wall_s"]),
        "all, s",
        "CPU, s",
        "peak memory, GB",
    ]
    rows = [
        [
            sides[run["side"]],
            f"{run['notes']:,}",
            *(f"{seconds:.1f}" for seconds in run["parts_wall_s"].values()),
            f"{run['wall_s']:.1f}",
            f"{run['cpu_s']:.1f}",
            f"{run['peak_rss_bytes'] / 1e9:.1f}",
        ]
        for run in runs
    ]
    return harness.markdown(head, rows)


def gains(runs: list[harness.Run], side: str) -> str:
    """Return how many times as fast `side` is on all cores as on one: a paragraph for each number of notes."""
    text = ""
    for many, one in itertools.product(runs, runs):
        if (many["side"], one["side"], many["notes"]) == (side, ONE_CORE, one["notes"]):
            faster = [
                f"{part} {one['parts_wall_s'][part] / s:.2f}" for part, s in many["parts_wall_s"].items() if s
            ]
            faster.append(f"all {one['wall_s'] / many['wall_s']:.2f}")
            text += f"\n\n{many['notes']:,} notes, all cores against one, times as fast: {', '.join(faster)}."
    return text


def _store(out: Path) -> Path:
    return out / "metadata.sqlite"

"""What measurements against stock TFX share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import harness

BEAM_ARGS = (
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    f"--setup_file={Path(__file__).parent.parent / 'setup.py'}",  # else TFX builds a source package
)


def write_without_gzip() -> None:
    """Stock TFX has no option for it: the suffix decides, so take the suffix away."""
    from apache_beam.io import tfrecordio

    construct = tfrecordio.WriteToTFRecord.__init__

    def without_suffix(self: Any, *args: Any, file_name_suffix: str = "", **kwargs: Any) -> None:
        construct(self, *args, file_name_suffix=file_name_suffix.removesuffix(".gz"), **kwargs)

    tfrecordio.WriteToTFRecord.__init__ = without_suffix


def prepare_run(name: str, steps: list[Any], out: Path) -> Callable[[], None]:
    """Return what runs TFX components in this process; artifacts and ML Metadata go below `out`."""
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


def step_seconds(out: Path) -> dict[str, float]:
    """Return the wall time of each step that was run, by its name."""
    from pipeline.history.past_runs import load_run, open_store

    return {name: step.seconds for name, step in load_run(open_store(_store(out))).steps.items()}


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


def _store(out: Path) -> Path:
    return out / "metadata.sqlite"

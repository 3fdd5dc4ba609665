"""What a run on Kubeflow moves between object store and pods: `python -m benchmarks.kubeflow_bytes`.

Compiles the whole pipeline once with `kubeflow.artifacts: claim` and once with `store`, and runs each in the tests'
step runner (tests/kubeflow/step_runner.py), which copies files as KFP's launcher does and counts their bytes. The notes
are generated; the network is the tiny one, whose own size is its only influence on what is copied.
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks import harness
from benchmarks.synthetic import write_tfrecord

ROOT = Path(__file__).parents[1]
CLAIM = "/models/nsynth"
SETTINGS = [
    "data=/data",
    f"workspace={CLAIM}",
    "recipe.epochs=1",
    "retrain.settle_s=0",
    "kubeflow.steps={default: {retries: 0}}",
]


class Moved(NamedTuple):
    """Bytes between pods and object store."""

    up: int
    down: int


@click.command()
@click.option("--notes", default=2000, show_default=True, help="How many are generated.")
@click.option("--folder", default="workspace/benchmarks/kubeflow_bytes", show_default=True, type=Path,
              help="Emptied before and after.")  # fmt: skip
@harness.output_option("kubeflow_bytes")
def main(notes: int, folder: Path, output: Path) -> None:
    """Count the bytes that one run moves, by claim and by store."""
    folder = folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        (folder / "data").mkdir(parents=True)
        write_tfrecord(folder / "data" / "nsynth-train.tfrecord", notes)
        moved = {artifacts: run(folder, artifacts) for artifacts in ("claim", "store")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(table(moved))
    harness.save(output, {"machine": harness.machine(), "notes": notes, "moved": moved})


def table(moved: dict[str, Moved]) -> str:
    """Format the bytes, up and down, by place of the artifacts."""
    rows = ((where, f"{up:,}", f"{down:,}") for where, (up, down) in moved.items())
    return harness.markdown(("artifacts", "up, bytes", "down, bytes"), rows)


def run(folder: Path, artifacts: str) -> Moved:
    """Run the pipeline once on the notes in `folder`/data, with a cluster and a claim of its own."""
    from kubeflow.compile import compile_config
    from pipeline.config import load_config

    sys.path.insert(0, str(ROOT / "tests" / "kubeflow"))
    from step_runner import Cluster

    own = folder / artifacts
    own.mkdir()
    package, claim = own / "nsynth.yaml", own / "claim"
    settings = [*SETTINGS, f"kubeflow.artifacts={artifacts}"]
    compiled = compile_config(load_config(ROOT / "configs" / "tiny.yaml", settings))
    package.write_text(compiled.text().replace(CLAIM, str(claim)))
    claims = {"nsynth-data": folder / "data", "nsynth-models": claim}
    cluster = Cluster(ROOT, own / "cluster", environment={"TF_CPP_MIN_LOG_LEVEL": "2"}, claims=claims)
    cluster.run(package, {"data": str(folder / "data")})
    shutil.rmtree(own)
    return Moved(cluster.up_bytes, cluster.down_bytes)


if __name__ == "__main__":
    main()

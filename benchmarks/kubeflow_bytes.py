"""What a run on Kubeflow moves between object store and pods: `python -m benchmarks.kubeflow_bytes`.

Compiles the whole pipeline with `kubeflow.artifacts: claim` and runs it once in the tests' step runner
(tests/kubeflow/step_runner.py), which copies files as KFP's launcher does and counts their bytes. With `store` the
launcher would copy every output, and every input of every step, whole: that is summed up from the steps' records.
The notes are generated; the network is the tiny one, whose own size is its only influence on what is copied.
"""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks import harness
from benchmarks.synthetic import write_tfrecord
from components.claim import Claim, Record

ROOT = Path(__file__).parents[1]
CLAIM = "/models/nsynth"
SETTINGS = [
    "data=/data",
    f"workspace={CLAIM}",
    "recipe.epochs=1",
    "retrain.settle_s=0",
    "kubeflow.artifacts=claim",
    "kubeflow.steps={default: {retries: 0}}",
]


class Moved(NamedTuple):
    """Bytes between pods and object store."""

    up: int
    down: int


@click.command()
@click.option("--notes", default=2000, show_default=True, help="How many are generated.")
@click.option(
    "--folder",
    default="workspace/benchmarks/kubeflow_bytes",
    show_default=True,
    type=Path,
    help="Emptied before and after.",
)
@harness.output_option("kubeflow_bytes")
def main(notes: int, folder: Path, output: Path) -> None:
    """Count the bytes that one run moves, by claim and by store."""
    folder = folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        (folder / "data").mkdir(parents=True)
        write_tfrecord(folder / "data" / "nsynth-train.tfrecord", notes)
        moved = {"claim": run(folder), "store": by_store(Claim(folder / "claim").records())}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(table(moved))
    harness.save(output, {"machine": harness.machine(), "notes": notes, "moved": moved})


def table(moved: dict[str, Moved]) -> str:
    """Format the bytes, up and down, by place of the artifacts."""
    rows = [f"| {where} | {up:,} | {down:,} |" for where, (up, down) in moved.items()]
    return "\n".join(["| artifacts | up, bytes | down, bytes |", "|---|--:|--:|", *rows])


def run(folder: Path) -> Moved:
    """Run the pipeline once on the notes in `folder`/data, with artifacts on the claim, that is in `folder`/claim."""
    from kubeflow.compile import compile_config
    from pipeline.config import load_config

    sys.path.insert(0, str(ROOT / "tests" / "kubeflow"))
    from step_runner import Cluster

    package = folder / "nsynth.yaml"
    compiled = compile_config(load_config(ROOT / "configs" / "tiny.yaml", SETTINGS))
    package.write_text(compiled.text().replace(CLAIM, str(folder / "claim")))
    cluster = Cluster(ROOT, folder / "cluster", environment={"TF_CPP_MIN_LOG_LEVEL": "2"})
    cluster.run(package, {"data": str(folder / "data")})
    return Moved(cluster.up_bytes, cluster.down_bytes)


def by_store(records: Iterable[Record]) -> Moved:
    """Sum up what the launcher would have copied if these steps had left their outputs in the object store.

    Steps without outputs leave no record; the pipeline has none.
    """
    records = list(records)
    size = {output.place: output.listing.bytes for record in records for output in record.outputs}
    return Moved(sum(size.values()), sum(size[place] for record in records for place in record.inputs))


if __name__ == "__main__":
    main()

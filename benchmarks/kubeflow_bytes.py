"""What a run on Kubeflow moves between object store and pods: `python -m benchmarks.kubeflow_bytes`.

Compiles the whole pipeline with `kubeflow.artifacts: claim` and again with `store`, and runs each once in the tests'
step runner (tests/kubeflow/step_runner.py), which copies files as KFP's launcher does and counts their bytes. The notes
are generated; the network is the tiny one, which has no influence on what is copied but for its own size.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from benchmarks import harness
from benchmarks.synthetic import write_tfrecord

ROOT = Path(__file__).parents[1]
CLAIM = "/models/nsynth"
SETTINGS = ["data=/data", f"workspace={CLAIM}", "recipe.epochs=1", "kubeflow.steps={default: {retries: 0}}"]


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
        moved = {where: run(where, folder / where, folder / "data") for where in ("claim", "store")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo("| artifacts | up, bytes | down, bytes | steps | CPU s | wall s |\n|---|--:|--:|--:|--:|--:|")
    for where, row in moved.items():
        click.echo(
            f"| {where} | {row['up_bytes']:,} | {row['down_bytes']:,} | {row['steps']} | {row['cpu_s']:.0f} "
            f"| {row['wall_s']:.0f} |"
        )
    harness.save(output, {"machine": harness.machine(), "notes": notes, "moved": moved})


def run(where: str, folder: Path, data: Path) -> dict[str, Any]:
    """Run the pipeline once, with artifacts on the claim or in the store."""
    from kubeflow.compile import compile_config
    from pipeline.config import load_config

    sys.path.insert(0, str(ROOT / "tests" / "kubeflow"))
    from step_runner import Cluster

    config = load_config(
        ROOT / "configs" / "tiny.yaml", [*SETTINGS, f"kubeflow.artifacts={where}", "retrain.settle_s=0"]
    )
    folder.mkdir()
    package = folder / "nsynth.yaml"
    package.write_text(
        compile_config(config).text().replace(CLAIM, str(folder / "claim"))
    )  # a folder stands for it
    cluster = Cluster(ROOT, folder / "cluster", environment={"TF_CPP_MIN_LOG_LEVEL": "2"})
    started = time.monotonic()
    before = os.times()
    done = cluster.run(package, {"data": str(data)})
    after = os.times()
    return {
        "up_bytes": cluster.up_bytes,
        "down_bytes": cluster.down_bytes,
        "steps": sum(task.attempts > 0 for task in done.values()),
        "cpu_s": after.children_user + after.children_system - before.children_user - before.children_system,
        "wall_s": time.monotonic() - started,
    }


if __name__ == "__main__":
    main()

"""What each step of the compiled pipeline imports before it does anything: `python -m benchmarks.imports`.

Compiles the pipeline, then imports in a fresh process for each step what its container imports: by TFX's own command,
and by ours (kubeflow/light.py). Prints CPU seconds, which depend little on what else the machine does. What a step
imports later, within a function, is not counted: DataGate takes TFDV once there is earlier data to compare with.
"""

import os
import subprocess
import sys
from pathlib import Path

import click

from kubeflow.light import TFX_COMMAND

CONFIG = Path(__file__).parents[1] / "configs" / "tiny.yaml"
SETTINGS = ["data=/data", "workspace=/models/nsynth", "recipe.warm_start=true"]
MEASURE = """
import importlib, resource, sys
from kubeflow import light
way, executor = sys.argv[1:]
importlib.import_module(light.TFX_COMMAND) if way == "TFX" else light.tfx_command(executor)
importlib.import_module(executor.rpartition(".")[0])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


@click.command()
def main() -> None:
    """Print a row for each step, and the sums."""
    executors = executors_of_steps()
    measured = {
        executor: [cpu_seconds(way, executor) for way in ("TFX", "ours")]
        for executor in set(executors.values())
    }
    click.echo(f"| step | {TFX_COMMAND.rpartition('.')[2]}, CPU s | kubeflow.light, CPU s |\n|---|--:|--:|")
    for step, executor in executors.items():
        click.echo("| {} | {:.1f} | {:.1f} |".format(step, *measured[executor]))
    sums = [sum(measured[executor][way] for executor in executors.values()) for way in (0, 1)]
    click.echo("| all | {:.1f} | {:.1f} |".format(*sums))


def executors_of_steps() -> dict[str, str]:
    """Return step → the class of its executor, from the compiled pipeline."""
    from kubeflow.compile import compile_config
    from kubeflow.groups import LOOK, REPORT, all_tasks
    from pipeline.config import load_config

    spec = compile_config(load_config(CONFIG, SETTINGS)).spec
    found = {}
    for step, task in all_tasks(spec).items():
        label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
        args = spec["deploymentSpec"]["executors"][label]["container"]["args"]
        if step not in (LOOK, REPORT):  # which run no executor
            found[step] = args[args.index("--executor_class_path") + 1]
    return found


def cpu_seconds(way: str, executor: str) -> float:
    """CPU time in s that a fresh process takes to import an executor, in TFX's way or in ours."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", MEASURE, way, executor]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()

"""What each step of the compiled pipeline imports before it does anything: `python -m benchmarks.imports`.

Compiles the pipeline, then imports in a fresh process for each step what its container imports: by TFX's own command,
and by ours (kubeflow/light.py). Prints CPU seconds, which depend little on what else the machine does. What a step
imports later, within a function, is not counted: DataGate takes TFDV once there is earlier data to compare with.
"""

import importlib
from pathlib import Path
from typing import Any

import click

from benchmarks import harness
from kubeflow.light import TFX_COMMAND

CONFIG = Path(__file__).parents[1] / "configs" / "tiny.yaml"
SETTINGS = ["data=/data", "workspace=/models/nsynth", "recipe.warm_start=true"]
WAYS = {"TFX": TFX_COMMAND.rpartition(".")[2], "ours": "kubeflow.light"}


@click.command()
@harness.output_option("imports")
def main(output: Path) -> None:
    """Print a row for each step, and the sums."""
    executors = executors_of_steps()
    measured = {
        executor: {way: harness.fresh(measure, f"{name}: {executor}", way=way, executor=executor)["cpu_s"]
                   for way, name in WAYS.items()}
        for executor in dict.fromkeys(executors.values())
    }  # fmt: skip
    steps = {step: measured[executor] for step, executor in executors.items()}
    click.echo(table(steps))
    harness.save(output, {"machine": harness.machine(), "steps": steps})


def table(steps: dict[str, dict[str, float]]) -> str:
    """Return the CPU seconds of each step and of all as Markdown."""
    sums = {way: sum(of_step[way] for of_step in steps.values()) for way in WAYS}
    rows = [
        [step, *(f"{of_step[way]:.1f}" for way in WAYS)] for step, of_step in (*steps.items(), ("all", sums))
    ]
    ratio = f"\n\nAll steps together: {sums['ours'] / sums['TFX']:.0%} of TFX's command."
    return harness.markdown(["step", *(f"{name}, CPU s" for name in WAYS.values())], rows) + ratio


def measure(way: str, executor: str) -> dict[str, Any]:
    """Import in this process what a step's container does: seconds of CPU and wall time, and memory."""
    from kubeflow import light

    def imported() -> None:
        if way == "TFX":
            importlib.import_module(TFX_COMMAND)
            importlib.import_module(executor.rpartition(".")[0])
        else:
            light.tfx_command(executor)
            light.load_executor(executor)

    return harness.timed(imported)


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


if __name__ == "__main__":
    main()

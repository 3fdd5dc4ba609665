"""Steps that use no TensorFlow do not import it, and what is left out is there once it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from kubeflow import light

ROOT = Path(__file__).parents[2]

SHOW = """
import sys
from kubeflow import light
from pipeline import on_demand
for executor in sys.argv[1].split():
    light.tfx_command(executor)
    light.load_executor(executor)
    from tfx.dsl.io import fileio
    fileio.exists(sys.executable)
    there = (name for name in sys.argv[2:] if name in sys.modules)
    heavy = [name for name in there if not isinstance(sys.modules[name], on_demand.OnDemand)]
    print(executor, *heavy)
"""
HEAVY = ("tensorflow", "apache_beam", "tensorflow_data_validation", "tfx.components.statistics_gen.executor")


def run(program: str, *arguments: str) -> list[str]:
    """Words that a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def imported(module: str, seen: set[str]) -> set[str]:
    """Names of all modules that are imported with one of ours, by us: what waits within functions does not count."""
    file = ROOT / f"{module.replace('.', '/')}.py"
    if module in seen or not file.is_file():
        return {module}
    seen.add(module)
    found: set[str] = set()
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {other for name in found for other in imported(name, seen)}


def test_the_list_of_steps_without_beam_is_complete() -> None:
    heavy = {"apache_beam", "tensorflow_data_validation", "tensorflow_model_analysis"}  # these two import it
    for folder in sorted(path.parent for path in (ROOT / "components").glob("*/component.py")):
        package = f"components.{folder.name}"
        name = "executor" if (folder / "executor.py").exists() else "component"
        roots = {other.partition(".")[0] for other in imported(f"{package}.{name}", set())}
        assert f"{package}.".startswith(light.WITHOUT_BEAM) == (not roots & heavy), package


LIGHT = (
    "components.apart.executor.ApartExecutor",
    "components.champion.executor.ChampionExecutor",
    "components.data_gate.executor.DataGateExecutor",
    "components.gate.executor.GateExecutor",
    "components.schema.component.CuratedSchema_Executor",
    "components.canary.executor.CanaryExecutor",
    "components.predictor.executor.PredictorExecutor",  # it loads a model later
    "components.pusher.executor.PushExecutor",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executors", "needed"),
    [(LIGHT, []), (("components.ingest.executor.Executor",), ["apache_beam"])],
    ids=["no Beam program", "a Beam program"],
)
def test_a_step_imports_what_it_needs(executors: tuple[str, ...], needed: list[str]) -> None:
    """One after the other in one process: what any of them imports, those after it would show as well."""
    assert run(SHOW, " ".join(executors), *HEAVY) == [
        word for executor in executors for word in (executor, *needed)
    ]


@pytest.mark.slow
def test_a_driver_imports_neither() -> None:
    program = """
import sys
from kubeflow import light
from pipeline import on_demand
command = light.driver_command("tfx.orchestration.kubeflow.v2.file_based_example_gen.driver")
assert isinstance(sys.modules["tensorflow"], on_demand.OnDemand)
print(command.main.__name__, "apache_beam" in sys.modules)
"""
    assert run(program) == ["main", "False"]


@pytest.mark.slow
def test_what_was_left_out_is_there_when_it_is_used() -> None:
    program = """
from kubeflow import light
from pipeline import on_demand
light.tfx_command("components.champion.executor.ChampionExecutor")
from tfx.components.evaluator import constants
import tensorflow as tf
from tfx.dsl.io import fileio
assert isinstance(tf, on_demand.OnDemand)
print(fileio.exists("/"))
assert isinstance(tf, on_demand.OnDemand)
print(tf.constant(6).numpy() * 7)
import tensorflow.python.framework.ops
import apache_beam
print(apache_beam.Pipeline.__name__)
from tfx.components import StatisticsGen
print(StatisticsGen.__name__)
"""
    assert run(program) == ["True", "42", "Pipeline", "StatisticsGen"]

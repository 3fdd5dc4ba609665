"""Steps that use no TensorFlow do not import it, and what is left out is there once it is used."""

import subprocess
import sys

import pytest

SHOW = """
import importlib, sys
from kubeflow import light
from pipeline import on_demand
light.tfx_command(sys.argv[1])
importlib.import_module(sys.argv[1].rpartition(".")[0])
there = (name for name in sys.argv[2:] if name in sys.modules)
print(*(name for name in there if not isinstance(sys.modules[name], on_demand.OnDemand)))
"""
HEAVY = ("tensorflow", "apache_beam", "tensorflow_data_validation", "tfx.components.statistics_gen.executor")


def run(program: str, *arguments: str) -> list[str]:
    """Words that a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "needed"),
    [
        ("components.champion.executor.ChampionExecutor", []),
        ("components.data_gate.executor.DataGateExecutor", []),
        ("components.schema.executor.Executor", []),
        ("components.canary.executor.CanaryExecutor", []),
        ("components.pusher.executor.PushExecutor", []),
        ("components.ingest.executor.Executor", ["apache_beam"]),
    ],
)
def test_a_step_imports_what_it_needs(executor: str, needed: list[str]) -> None:
    assert run(SHOW, executor, *HEAVY) == needed


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
print(tf.constant(6).numpy() * 7)
print(fileio.exists("/"))
import tensorflow.python.framework.ops
import apache_beam
print(apache_beam.Pipeline.__name__)
from tfx.components import StatisticsGen
print(StatisticsGen.__name__)
"""
    assert run(program) == ["42", "True", "Pipeline", "StatisticsGen"]

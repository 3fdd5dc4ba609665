"""The cut graph is the same in every process, or no run would know what an earlier one has kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

TRACE = """
from functools import partial
from transform import preprocessing
from transform.executor import type_specs_of
from transform.graph import trace_upper_half
from transform.options import SpectrogramOptions
from transform.schema import make_schema

schema = make_schema()
settings = {"spectrogram": SpectrogramOptions().model_dump()}
function = partial(preprocessing.preprocessing_fn, custom_config=settings)
print(trace_upper_half(function, type_specs_of(schema), preprocessing.RAW_LOG_MEL).fingerprint)
"""


def test_processes_that_hash_otherwise_trace_the_same_graph():
    fingerprints = {
        subprocess.run(
            [sys.executable, "-c", TRACE],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(fingerprints) == 1
    assert fingerprints.pop().strip()

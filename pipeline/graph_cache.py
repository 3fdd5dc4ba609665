"""The compiled graph of the last run, so that a run that changes nothing need not import what builds it.

Building the graph imports TFX's components, TensorFlow, TFMA and TFDV: most of the time of a run that takes every step
from the cache. What is built depends on the settings, our code and TFX alone, never on the data. So the compiled graph
is kept with a fingerprint of these. Which steps run is decided as ever, by TFX's drivers and the history.
"""

import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import atomic
from pipeline.config import Config
from pipeline.fingerprint import tree_fingerprint

if TYPE_CHECKING:  # seconds to import
    from tfx.proto.orchestration import pipeline_pb2

FILE = "graph.cache"
CODE = (
    "nsynth.py",
    "atomic.py",
    "cores.py",
    "pipeline",
    "components",
    "transform",
    "trainer",
    "kubeflow",
    "corpus",
)
"""All code of ours that the graph may depend on."""
_VERSIONS = ("tfx", "ml-metadata", "apache-beam", "protobuf")


def load(config: Config) -> "pipeline_pb2.Pipeline | None":
    """Return the graph that was kept for these settings and this code; none if there is none."""
    try:
        kept, _, content = _file(config).read_bytes().partition(b"\n")
    except OSError:
        return None
    if kept.decode(errors="replace") != f"{fingerprint(config)} {hashlib.sha256(content).hexdigest()}":
        return None
    from tfx.proto.orchestration import pipeline_pb2

    return pipeline_pb2.Pipeline.FromString(content)


def save(config: Config, graph: "pipeline_pb2.Pipeline") -> None:
    """Keep a graph as it was compiled, without the address of the history."""
    content = graph.SerializeToString(deterministic=True)
    line = f"{fingerprint(config)} {hashlib.sha256(content).hexdigest()}\n"
    atomic.write(_file(config), line.encode() + content)


def fingerprint(config: Config) -> str:
    """Hash of all that decides what the graph is: settings, code, versions, and how workers get the code."""
    facts = {
        "settings": config.model_dump_json(),
        "beam": config.engine.beam_args(),
        "code": tree_fingerprint(*CODE),
        "versions": [sys.version, *(f"{name} {importlib.metadata.version(name)}" for name in _VERSIONS)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _file(config: Config) -> Path:
    return config.workspace / FILE

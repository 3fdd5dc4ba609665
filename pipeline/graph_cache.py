"""The compiled graph of the last run, so that an unchanged run need not import the packages that build it.

Building the graph imports TFX's components, TensorFlow, TFMA and TFDV, which takes most of the time of a run in which
every step is cached. The graph depends only on the settings, our code and TFX, not on the data, so it is stored with a
fingerprint of these. TFX's drivers and the history still decide which steps run.
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
"""Code of this project on which the graph may depend."""
_VERSIONS = ("tfx", "ml-metadata", "apache-beam", "protobuf")


def load(config: Config) -> "pipeline_pb2.Pipeline | None":
    """Return the stored graph for these settings and this code, or None."""
    try:
        kept, _, content = _file(config).read_bytes().partition(b"\n")
    except OSError:
        return None
    if kept.decode(errors="replace") != f"{fingerprint(config)} {hashlib.sha256(content).hexdigest()}":
        return None
    from tfx.proto.orchestration import pipeline_pb2

    return pipeline_pb2.Pipeline.FromString(content)


def save(config: Config, graph: "pipeline_pb2.Pipeline") -> None:
    """Store a compiled graph, without the address of the history."""
    content = graph.SerializeToString(deterministic=True)
    line = f"{fingerprint(config)} {hashlib.sha256(content).hexdigest()}\n"
    atomic.write(_file(config), line.encode() + content)


def fingerprint(config: Config) -> str:
    """Return a hash of everything that determines the graph: settings, code, versions, and how workers get the code."""
    facts = {
        "settings": config.model_dump_json(),
        "beam": config.engine.beam_args(),
        "code": tree_fingerprint(*CODE),
        "versions": [sys.version, *(f"{name} {importlib.metadata.version(name)}" for name in _VERSIONS)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _file(config: Config) -> Path:
    return config.workspace / FILE

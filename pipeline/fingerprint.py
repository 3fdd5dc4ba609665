"""Fingerprints of our own code, so that TFX's cache notices when it changes.

TFX hashes a step's inputs and properties, not the code behind `preprocessing_fn="module.fn"` or an executor:
with changed code it would serve stale results. So each step carries the hash of the packages it depends on.
"""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONTRACT = "nsynth.py"
CODE_SUFFIXES = {".py", ".pbtxt"}

STEP_CODE = {
    "ExampleGen": ("components/ingest",),
    "Schema": ("components/schema", "transform/schema.pbtxt"),
    "DataGate": ("components/data_gate",),
    "Transform": ("transform",),
    "Trainer": ("trainer", "transform"),
    "Champion": ("components/champion", "components/registry.py", "components/storage.py"),
    "Evaluator": ("components/evaluator",),
    "Gate": ("components/gate",),
    "Canary": ("components/canary",),
    "Pusher": ("components/pusher", "components/registry.py", "components/storage.py"),
}
"""Step → the files and folders whose change must make it run again (the contract always counts)."""


def step_fingerprint(step: str) -> str:
    """Hash of all code that `step` depends on."""
    return code_fingerprint(*STEP_CODE[step])


@cache
def code_fingerprint(*paths: str) -> str:
    """First 16 hex digits of the SHA-256 over names and contents of the source files below `paths`.

    Args:
      *paths: files or folders, relative to the root of the project.

    Raises:
      FileNotFoundError: a path does not exist: the table of steps would be wrong.
    """
    digest = hashlib.sha256()
    for path in (CONTRACT, *paths):
        start = ROOT / path
        files = (
            sorted(f for f in start.rglob("*") if f.suffix in CODE_SUFFIXES) if start.is_dir() else [start]
        )
        for file in files:
            digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]

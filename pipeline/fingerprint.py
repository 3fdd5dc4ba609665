"""Fingerprints of our code, so that a change of the code invalidates TFX's cache.

TFX hashes a step's inputs and properties, not the code behind `preprocessing_fn="module.fn"` or an executor: after a
change of the code it would return stale results. Therefore each step has a property with the hash of its code and of
all modules of this project that the code imports, directly or indirectly.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import nsynth

ROOT = Path(nsynth.__file__).parent
"""The folder of all our packages: a checkout, or the folder in which the wheel is installed."""
CONTRACT = "nsynth.py"
CODE_SUFFIXES = {".py"}

STEP_CODE = {
    "ExampleGen": ("components/ingest",),
    "Apart": ("components/apart",),
    "Schema": ("components/schema",),
    "DataGate": ("components/data_gate",),
    "Drift": ("components/drift",),
    "Transform": ("transform",),
    "Trainer": ("trainer",),
    "Champion": ("components/champion",),
    "Predictor": ("components/predictor",),
    "Evaluator": ("components/evaluator",),
    "Gate": ("components/gate",),
    "BulkInferrer": ("components/bulk_inferrer",),
    "Canary": ("components/canary",),
    "Pusher": ("components/pusher",),
}
"""Step → files or folders of its code; the modules that they import are found automatically."""


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # of statements


def step_fingerprint(step: str) -> str:
    """Return the hash of all code on which `step` depends."""
    return code_fingerprint(*STEP_CODE[step])


@cache
def code_fingerprint(*paths: str) -> str:
    """Return the first 16 hex digits of the SHA-256 over names and contents of `code_files`.

    Args:
      *paths: files or folders, relative to the root of the project.

    Raises:
      FileNotFoundError: a path does not exist, so the table of steps is wrong.
    """
    digest = hashlib.sha256()
    for file in code_files(*paths):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def tree_fingerprint(*paths: str) -> str:
    """Return the SHA-256 over names and contents of all source files below existing `paths`, without their imports."""
    digest = hashlib.sha256()
    there = [ROOT / path for path in paths if (ROOT / path).exists()]
    for file in sorted(file for path in there for file in _below(path)):
        digest.update(f"{file.relative_to(ROOT)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def code_files(*paths: str) -> list[Path]:
    """Return the source files below `paths`, `nsynth.py`, and all files of ours that they import, sorted."""
    found: set[Path] = set()
    ahead = [file for path in (CONTRACT, *paths) for file in _below(ROOT / path)]
    while ahead:
        file = ahead.pop()
        if file not in found:
            found.add(file)
            ahead += _imported(file) if file.suffix == ".py" else ()
    return sorted(found)


def _below(start: Path) -> Iterable[Path]:
    return (f for f in start.rglob("*") if f.suffix in CODE_SUFFIXES) if start.is_dir() else [start]


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    """Return our modules that a file imports, including imports in functions."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[Path]:
    for node in _statements(ast.parse(file.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            module = ROOT / name.replace(".", "/")
            yield from (m for m in (module.with_suffix(".py"), module / "__init__.py") if m.is_file())


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements, without expressions, which are most of the code and contain no imports."""
    for name, value in ast.iter_fields(node):
        if name in _BLOCKS:
            for statement in value:
                yield statement
                yield from _statements(statement)

"""Compiled pipelines that are kept: what has not changed is read from a file instead of importing TFX."""

import contextlib
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nsynth
from kubeflow.package import Package, Target, read
from pipeline.fingerprint import code_fingerprint

CODE = ("components", "corpus", "kubeflow", "pipeline", "trainer", "transform")
"""All code that goes into the image."""
_COMPILERS = ("tfx", "kfp", "apache-beam")
_KEPT = 10


def kept_or_compiled(config: Any, target: Target, compile_: Callable[[], Package]) -> Package:
    """Return the package that was compiled from the same settings by the same code and libraries, else a new one.

    Args:
      config: pipeline.config.Config.
      target: where it is to run.
      compile_: makes the package.
    """
    folder = _folder()
    if folder is None:
        return compile_()
    file = folder / f"{_key(config, target)}.yaml"
    with contextlib.suppress(nsynth.UserError):  # not there, or damaged
        package = read(file)
        file.touch()
        return package
    package = compile_()
    with contextlib.suppress(nsynth.UserError, OSError):  # a folder that cannot be written saves no time
        package.write(file)
        for old in sorted(file.parent.glob("*.yaml"), key=lambda f: f.stat().st_mtime)[:-_KEPT]:
            old.unlink()
    return package


def _folder() -> Path | None:
    """Of the user, as the XDG base directory specification has it; none for a user without a home folder."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nsynth" / "compiled"
    except RuntimeError:
        return None


def _key(config: Any, target: Target) -> str:
    versions = [importlib.metadata.version(name) for name in _COMPILERS]
    content = [target, config.model_dump_json(), code_fingerprint(*CODE), *versions, sys.version]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:24]

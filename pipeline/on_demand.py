"""Heavy packages that run their own code when something of theirs is used for the first time, not before.

`import tensorflow` costs seconds of CPU time, and TFX imports it, TFMA and all of its components wherever it starts.
A process that may end without them calls `defer` first; nothing of these packages is changed.
"""

import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from pipeline.collector import at_rest

TENSORFLOW, TFMA, COMPONENTS = "tensorflow", "tensorflow_model_analysis", "tfx.components"
PACKAGES = {
    # Protocol messages and documentation marks, which use nothing of TensorFlow.
    TENSORFLOW: ("tensorflow.core", "tensorflow.tools", "tensorflow.tsl", "tensorflow.compiler"),
    TFMA: (f"{TFMA}.proto",),
    COMPONENTS: (COMPONENTS,),
}
"""Package → those below it that may be imported without it."""
_SDK = f"{TFMA}.sdk"


class OnDemand(ModuleType):
    """A package whose `__init__` runs when one of its attributes is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _load(self)
        return getattr(self, name)


class _LoadBefore:
    """Loads a package on demand when a module below it is imported that needs it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        for package, free in PACKAGES.items():
            below, module = name.startswith(f"{package}."), sys.modules.get(package)
            if (
                below
                and isinstance(module, OnDemand)
                and not f"{name}.".startswith(tuple(f"{of}." for of in free))
            ):
                _load(module)


def defer() -> None:
    """Make the packages of `PACKAGES` wait until they are used; one that is there already stays as it is.

    TFX imports TFMA's `sdk` for the type of a property of its Evaluator: an empty module, which TFX fills with
    protocol messages, is enough until TFMA is used.
    """
    if not any(isinstance(finder, _LoadBefore) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LoadBefore())
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or package in sys.modules:
            continue
        module = OnDemand(package)
        module.__spec__, module.__file__ = spec, spec.origin
        module.__path__ = spec.submodule_search_locations or []
        sys.modules[package] = module
        parent, _, name = package.rpartition(".")
        if parent:
            setattr(sys.modules[parent], name, module)
        if package == TFMA:
            sys.modules[_SDK] = module.sdk = ModuleType(_SDK)  # type: ignore[attr-defined]


def waits(package: str) -> bool:
    """Return whether a package waits until it is used."""
    return isinstance(sys.modules.get(package), OnDemand)


def load_all() -> None:
    """Load what still waits, for work that uses it: threads would otherwise load it at the same time."""
    for package in PACKAGES:
        if waits(package):
            _load(sys.modules[package])


def _load(package: ModuleType) -> None:
    package.__class__ = ModuleType
    if package.__name__ == TFMA:  # its own, from here on
        del sys.modules[_SDK], package.sdk
    assert package.__spec__
    assert package.__spec__.loader
    with at_rest():
        package.__spec__.loader.exec_module(package)

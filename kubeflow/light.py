"""Runs one step by TFX's own command, but without importing what the step does not use.

    python -m kubeflow.light --executor_class_path CLASS <what TFX's command takes>

TFX's command imports all of TFX's components, and with them TensorFlow, TFMA and TFDV: seconds of CPU time, in every
container. Most of our steps use none of that. For these, some packages are there at once and run their own code
when something of theirs is used for the first time; nothing of TFX is changed.
"""

import importlib.machinery
import importlib.util
import itertools
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

TFX_COMMAND = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
EVALUATOR = "tfx.components.evaluator.executor"
TFMA = "tensorflow_model_analysis"
BEAM_EXECUTOR = "tfx.dsl.components.base.base_beam_executor"
LIGHT = (
    "components.canary.",
    "components.champion.",
    "components.data_gate.",
    "components.gate.",
    "components.ingest.",
    "components.pusher.",
    "components.schema.",
)
"""Packages with executors that can do without; others are run as TFX's command runs them."""
WITH_BEAM = ("components.ingest.",)
"""Those of them that are Beam programs."""
ON_DEMAND = {
    # Protocol messages and documentation marks, which use nothing of TensorFlow.
    "tensorflow": ("tensorflow.core", "tensorflow.tools", "tensorflow.tsl", "tensorflow.compiler"),
    TFMA: (f"{TFMA}.proto",),
    "tfx.components": ("tfx.components",),
}
"""Package → those below it that may be imported without it."""


class _OnDemand(ModuleType):
    """A package whose `__init__` runs when one of its attributes is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _load(self)
        return getattr(self, name)


def _load(package: ModuleType) -> None:
    package.__class__ = ModuleType
    assert package.__spec__
    assert package.__spec__.loader
    package.__spec__.loader.exec_module(package)


class _LoadBefore:
    """Loads a package on demand when a module below it is imported that needs it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        for package, free in ON_DEMAND.items():
            below, module = name.startswith(f"{package}."), sys.modules.get(package)
            if (
                below
                and isinstance(module, _OnDemand)
                and not f"{name}.".startswith(tuple(f"{of}." for of in free))
            ):
                _load(module)


def lighten(beam: bool = False) -> None:
    """Make the packages of `ON_DEMAND` wait until they are used; leave Beam and what is TFX's Evaluator's out.

    TFX's command imports the Evaluator to ask whether a step's executor is one, and TFMA's `sdk` for the type of a
    property of its: a class of that name and an empty module, which TFX fills with protocol messages, are enough.

    Args:
      beam: whether the step is a Beam program; TFX does without Beam where it cannot be imported.
    """
    sys.meta_path.insert(0, _LoadBefore())
    for package in ON_DEMAND:
        spec = importlib.util.find_spec(package)
        if spec is None or package in sys.modules:
            continue
        module = _OnDemand(package)
        module.__spec__, module.__file__ = spec, spec.origin
        module.__path__ = spec.submodule_search_locations or []
        sys.modules[package] = module
        parent, _, name = package.rpartition(".")
        if parent:
            setattr(sys.modules[parent], name, module)
    sys.modules[TFMA].sdk = sys.modules[f"{TFMA}.sdk"] = ModuleType(f"{TFMA}.sdk")  # type: ignore[attr-defined]
    absent = sys.modules[EVALUATOR] = ModuleType(EVALUATOR)
    absent.Executor = type("Executor", (), {})  # type: ignore[attr-defined]
    if not beam:
        sys.modules["apache_beam"] = None  # type: ignore[assignment]
        try:
            importlib.import_module(BEAM_EXECUTOR)
        finally:
            del sys.modules["apache_beam"]


def tfx_command(executor: str) -> ModuleType:
    """TFX's command, imported as the step with this executor class needs it."""
    if executor.startswith(LIGHT):
        lighten(beam=executor.startswith(WITH_BEAM))
    return importlib.import_module(TFX_COMMAND)


def main(argv: list[str]) -> None:
    """Run the step."""
    pairs = dict(itertools.pairwise(argv))
    command = tfx_command(pairs.get("--executor_class_path", ""))
    from absl import app

    app.run(command.main, argv=[TFX_COMMAND, *argv], flags_parser=command._parse_flags)


if __name__ == "__main__":
    main(sys.argv[1:])

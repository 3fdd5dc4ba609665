"""Runs one step by TFX's own command, but without importing what the step does not use.

    python -m kubeflow.light --executor_class_path CLASS <what TFX's command takes>
    python -m kubeflow.light --driver_module MODULE <the same>

TFX's command imports all of TFX's components, and with them TensorFlow, TFMA and TFDV: seconds of CPU time, in every
container. Here these packages wait until something of theirs is used (pipeline/on_demand.py), which for many steps is
never; nothing of TFX is changed.
"""

import importlib
import itertools
import sys
from types import ModuleType
from typing import Any

from kubeflow.documents import note_error
from pipeline import on_demand
from pipeline.collector import at_rest

TFX_COMMAND = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
EXECUTOR, DRIVER = "--executor_class_path", "--driver_module"
EVALUATOR = "tfx.components.evaluator.executor"
SHIPPED = "--extra_package=nsynth"
"""In a compiled pipeline: send this image's own wheel to an engine's workers on other machines."""
ASK_FOR_BEAM = ("tfx.dsl.components.base.base_beam_executor", "tfx.dsl.component.experimental.decorators")
"""Modules of TFX that look once whether there is Beam, and do without if not."""
WITHOUT_BEAM = (
    "components.apart.",
    "components.canary.",
    "components.champion.",
    "components.data_gate.",
    "components.gate.",
    "components.predictor.",
    "components.pusher.",
    "components.schema.",
)
"""Packages with executors that are no Beam programs."""
WHOLE = ("components.evaluator.",)
"""Packages with executors that use all that TFX's command imports."""


def lighten(beam: bool = False) -> None:
    """Defer what `on_demand` names; leave Beam and what is TFX's Evaluator's out.

    TFX's command imports the Evaluator to ask whether a step's executor is one: a class of that name is enough.

    Args:
      beam: whether the step is a Beam program.
    """
    on_demand.defer()
    absent = sys.modules[EVALUATOR] = ModuleType(EVALUATOR)
    absent.Executor = type("Executor", (), {})  # type: ignore[attr-defined]
    if not beam:
        sys.modules["apache_beam"] = None  # type: ignore[assignment]
        try:
            for name in ASK_FOR_BEAM:
                importlib.import_module(name)
        finally:
            del sys.modules["apache_beam"]
    from pipeline import local_files  # it imports TFX

    local_files.prefer()


def tfx_command(executor: str) -> ModuleType:
    """TFX's command, imported as the step with this executor class needs it."""
    with at_rest():
        if not executor.startswith(WHOLE):
            lighten(beam=not executor.startswith(WITHOUT_BEAM))
        return importlib.import_module(TFX_COMMAND)


def load_executor(executor: str) -> None:
    """Import the module of an executor class, as TFX's command does next."""
    with at_rest():
        importlib.import_module(executor.rpartition(".")[0])


def driver_command(module: str) -> ModuleType:
    """Import a driver of TFX's, which only lists files."""
    with at_rest():
        lighten()
        return importlib.import_module(module)


def main(argv: list[str]) -> None:
    """Run the step, or its driver."""
    if SHIPPED in argv:
        from pipeline.engines.engine import shipped

        argv = [shipped() if arg == SHIPPED else arg for arg in argv]
    pairs = dict(itertools.pairwise(argv))
    driver, executor = pairs.get(DRIVER), pairs.get(EXECUTOR, "")
    command = driver_command(driver) if driver else tfx_command(executor)
    from absl import app

    def run(arguments: Any) -> Any:
        try:
            if executor:
                load_executor(executor)
            return command.main(arguments)
        except BaseException as error:
            note_error(error)
            raise

    app.run(run, argv=[command.__name__, *argv], flags_parser=command._parse_flags)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Runs one step by TFX's own command, but without importing what the step does not use.

    python -m kubeflow.light --executor_class_path CLASS <what TFX's command takes>

TFX's command imports all of TFX's components, and with them TensorFlow, TFMA and TFDV: seconds of CPU time, in every
container. Most of our steps use none of that. For these, some packages wait until something of theirs is used
(pipeline/on_demand.py); nothing of TFX is changed.
"""

import importlib
import itertools
import sys
from types import ModuleType
from typing import Any

from kubeflow.documents import note_error
from pipeline import on_demand

TFX_COMMAND = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
EVALUATOR = "tfx.components.evaluator.executor"
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


def lighten(beam: bool = False) -> None:
    """Defer what `on_demand` names; leave Beam and what is TFX's Evaluator's out.

    TFX's command imports the Evaluator to ask whether a step's executor is one: a class of that name is enough.

    Args:
      beam: whether the step is a Beam program; TFX does without Beam where it cannot be imported.
    """
    on_demand.defer()
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

    def run(arguments: Any) -> Any:
        try:
            return command.main(arguments)
        except BaseException as error:
            note_error(error)
            raise

    app.run(run, argv=[TFX_COMMAND, *argv], flags_parser=command._parse_flags)


if __name__ == "__main__":
    main(sys.argv[1:])

"""TFX's Evaluator on predictions that were made before, without the champion that is not there yet."""

from typing import Any

from tfx import types
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.types import artifact_utils
from tfx.utils import path_utils

import nsynth
from components import storage
from components.documents import AnsweringModels
from components.version import model_digest

EXAMPLES, MODEL, BASELINE = "examples", "model", "baseline_model"


class EvaluateExecutor(tfx_evaluator.Executor):
    """Evaluates the candidate alone if the champion is an empty folder."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs TFMA.

        Raises:
          nsynth.UserError: the predictions are not those of the models that the blessing would name. Without this, a
            champion that is not wired would have TFX pass over the bar against it.
        """
        answered = AnsweringModels.read(artifact_utils.get_single_uri(input_dict[EXAMPLES]))
        candidate, champion = _digest(input_dict.get(MODEL)), _digest(input_dict.get(BASELINE))
        for name, told, found in (
            ("candidate", answered.candidate.digest, candidate),
            ("champion", answered.champion.digest, champion),
        ):
            if told != found:
                raise nsynth.UserError(
                    f"the predictions are not those of the {name} that is evaluated (digest {told or 'of none'} "
                    f"instead of {found or 'of none'}): give Evaluator the models that Predictor had, or run "
                    "Predictor again"
                )
        if not champion:
            input_dict = {key: value for key, value in input_dict.items() if key != BASELINE}
        super().Do(input_dict, output_dict, exec_properties)


def _digest(models: list[types.Artifact] | None) -> str:
    """Of the model's files; empty if it is not wired or its folder holds none."""
    folders = [path_utils.serving_model_path(model.uri) for model in models or ()]
    return "".join(
        model_digest(folder) for folder in folders if storage.exists(f"{folder}/{storage.LAST_FILE}")
    )

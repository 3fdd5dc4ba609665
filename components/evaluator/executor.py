"""TFX's Evaluator without the champion that is not there yet."""

from typing import Any

from tfx import types
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.utils import path_utils

from components import storage

BASELINE = "baseline_model"


class EvaluateExecutor(tfx_evaluator.Executor):
    """Evaluates the candidate alone if the champion is an empty folder."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs TFMA."""
        champions = input_dict.get(BASELINE) or []
        if not any(_holds_model(champion) for champion in champions):
            input_dict = {key: value for key, value in input_dict.items() if key != BASELINE}
        super().Do(input_dict, output_dict, exec_properties)


def _holds_model(artifact: types.Artifact) -> bool:
    return storage.exists(f"{path_utils.serving_model_dir(artifact.uri)}/{storage.LAST_FILE}")

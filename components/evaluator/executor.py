"""TFX's Evaluator on predictions that were made before, without the champion that is not there yet.

It judges beside the gate, not before it, so it looks itself whether TFMA has seen what the gate sees.
"""

from typing import Any

import tensorflow_model_analysis as tfma
from tfx import types
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.types import artifact_utils
from tfx.utils import path_utils

import nsynth
from components import storage
from components.blessing import is_blessed, withdraw
from components.documents.models import AnsweringModels, EvaluatorReport, GateCheck
from components.predictions import Predictions
from components.step import Artifacts
from components.version import model_digest

EXAMPLES, MODEL, BASELINE = "examples", "model", "baseline_model"
ACCURACY_METRIC = "sparse_categorical_accuracy"
AGREEMENT = 1e-4
"""How far TFMA's accuracy may be from ours: it sums in single precision."""


class EvaluateExecutor(tfx_evaluator.Executor):
    """Evaluates the candidate alone if the champion is an empty folder."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Run TFMA, and withdraw its blessing if its accuracy is not that of the predictions.

        Raises:
          nsynth.UserError: the predictions are not those of the models that the blessing would name. Without this, a
            champion that is not wired would have TFX pass over the bar against it.
        """
        folder = artifact_utils.get_single_uri(input_dict[EXAMPLES])
        answered = AnsweringModels.read(folder)
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
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        accuracy = _accuracy(artifact_utils.get_single_uri(output_dict["evaluation"]), bool(champion))
        checks = judge(accuracy, Predictions.load(folder).accuracy, is_blessed(blessing))
        if is_blessed(blessing) and not all(check.passed for check in checks):
            withdraw(blessing)
        EvaluatorReport(checks=checks).write(blessing.uri)


def judge(theirs: float, ours: float, blessed: bool) -> tuple[GateCheck, ...]:
    """Return what the gate's report shows of the Evaluator.

    Args:
      theirs: TFMA's accuracy of the candidate.
      ours: that of the predictions.
      blessed: whether the candidate passed TFMA's thresholds.
    """
    agreement = GateCheck(
        "agreement with TFMA",
        "the same accuracy",
        f"{theirs:.4f} and {ours:.4f}",
        abs(theirs - ours) <= AGREEMENT,
        "Gate and Evaluator evaluated different predictions: check their inputs.",
    )
    thresholds = GateCheck(
        "Evaluator",
        "blessed by TFMA's thresholds",
        "blessed" if blessed else "not blessed",
        blessed,
        "TFMA's thresholds apply to accuracy only: see the checks above.",
    )
    return agreement, thresholds


def _accuracy(evaluation: str, has_champion: bool) -> float:
    """Return the candidate's over all notes, as TFMA counted it; it names the models only where there are two."""
    result = tfma.load_eval_result(evaluation, model_name="candidate" if has_champion else None)
    return float(result.get_metrics_for_slice()[ACCURACY_METRIC]["doubleValue"])


def _digest(models: list[types.Artifact] | None) -> str:
    """Of the model's files; empty if it is not wired or its folder holds none."""
    folders = [path_utils.serving_model_path(model.uri) for model in models or ()]
    return "".join(
        model_digest(folder) for folder in folders if storage.exists(f"{folder}/{storage.LAST_FILE}")
    )

"""Judges what both models answered, and writes the verdict down."""

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.blessing import BASELINE_ID, BASELINE_URI, CURRENT_ID, CURRENT_URI, bless_model, is_blessed
from components.documents import AnsweringModels, GateCheck, GateReport
from components.gate import report as words
from components.gate.checks import judge
from components.gate.options import GateOptions
from components.predictions import Predictions

ACCURACY_METRIC = "sparse_categorical_accuracy"
AGREEMENT = 1e-4
"""How far TFMA's accuracy may be from ours: it sums in single precision."""

Artifacts = dict[str, list[types.Artifact]]


class GateExecutor(base_executor.BaseExecutor):
    """Judges a candidate."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Writes report and blessing. A model that is refused is no error: the run goes on."""
        folder = artifact_utils.get_single_uri(input_dict["predictions"])
        models, predictions = AnsweringModels.read(folder), Predictions.load(folder)
        report = judge(predictions, GateOptions.model_validate_json(exec_properties["options"]))
        checks = (*report.checks, *_agreement(input_dict, report, predictions.has_champion))
        report = report.model_copy(
            update={
                "split": exec_properties["split"],
                "candidate": models.candidate,
                "champion": models.champion,
                "checks": checks,
                "blessed": all(check.passed for check in checks),
            }
        )
        report = report.model_copy(update={"verdict": words.headline(report)})
        report.write(artifact_utils.get_single_uri(output_dict["report"]), words.markdown(report))
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        bless_model(blessing, report.blessed, _models(report))


def _agreement(input_dict: Artifacts, report: GateReport, has_champion: bool) -> list[GateCheck]:
    """Check that TFMA computes the same accuracy and what its Evaluator decided."""
    checks, accuracy = [], report.overall["accuracy"].value
    if input_dict.get("evaluation"):
        import tensorflow_model_analysis as tfma

        # TFMA names the models only where there are two.
        model_name = "candidate" if has_champion else None
        result = tfma.load_eval_result(
            artifact_utils.get_single_uri(input_dict["evaluation"]), model_name=model_name
        )
        theirs = result.get_metrics_for_slice()[ACCURACY_METRIC]["doubleValue"]
        checks.append(
            GateCheck(
                "agreement with TFMA",
                "the same accuracy",
                f"{theirs:.4f} and {accuracy:.4f}",
                abs(theirs - accuracy) <= AGREEMENT,
                "Gate and Evaluator did not judge the same predictions: check their inputs.",
            )
        )
    if input_dict.get("evaluator_blessing"):
        blessing = artifact_utils.get_single_instance(input_dict["evaluator_blessing"])
        passed = is_blessed(blessing)
        checks.append(
            GateCheck(
                "Evaluator",
                "blessed by TFMA's thresholds",
                "blessed" if passed else "not blessed",
                passed,
                "TFMA's thresholds are on accuracy only: see the lines above.",
            )
        )
    return checks


def _models(report: GateReport) -> dict[str, str | int]:
    """Name the judged model and its baseline."""
    models: dict[str, str | int] = {CURRENT_URI: report.candidate.uri, CURRENT_ID: report.candidate.id}
    if report.champion.version:
        models |= {BASELINE_URI: report.champion.uri, BASELINE_ID: report.champion.id}
    return models

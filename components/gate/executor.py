"""Judges what both models answered, and writes the verdict down."""

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.blessing import BASELINE_URI, CURRENT_ID, CURRENT_URI, bless_model
from components.documents.models import AnsweringModels, GateReport
from components.gate.checks import judge
from components.gate.markdown import markdown
from components.gate.options import GateOptions
from components.gate_report import headline
from components.predictions import Predictions
from components.step import Artifacts


class GateExecutor(base_executor.BaseExecutor):
    """Judges a candidate."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write report and blessing. A model that is refused is no error: the run goes on."""
        folder = artifact_utils.get_single_uri(input_dict["predictions"])
        models, predictions = AnsweringModels.read(folder), Predictions.load(folder)
        report = judge(predictions, GateOptions.model_validate_json(exec_properties["options"]))
        report = report.model_copy(
            update={
                "split": exec_properties["split"],
                "candidate": models.candidate,
                "champion": models.champion,
                "blessed": not report.failed(),
            }
        )
        report = report.model_copy(update={"verdict": headline(report)})
        report.write(artifact_utils.get_single_uri(output_dict["report"]), markdown(report))
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        bless_model(blessing, report.blessed, _models(report))


def _models(report: GateReport) -> dict[str, str | int]:
    """Name the judged model and its baseline."""
    models: dict[str, str | int] = {CURRENT_URI: report.candidate.uri, CURRENT_ID: report.candidate.id}
    if report.champion.version:
        models[BASELINE_URI] = report.champion.uri
    return models

"""Publishes a blessed model."""

import logging
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.types import artifact_utils

from components import storage
from components.blessing import all_blessed
from components.documents.ingest import IngestAccount
from components.documents.models import CanaryReport
from components.gate_report import read_report
from components.pusher.copies import copy_versions
from components.pusher.options import PushOptions
from components.pusher.push import Evidence, push_model
from components.staging import ADDRESS, RUN_PAGE
from components.step import Artifacts
from components.version import Record


class PushExecutor(tfx_pusher.Executor):
    """TFX's checks of the blessings and its properties, with a push of our own."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Publish the model, unless a blessing says no or the same model is there already."""
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        self._push(input_dict, pushed, exec_properties)
        options = PushOptions.model_validate_json(exec_properties["options"])
        if fault := copy_versions(exec_properties["push_destination"], options.copy_to):
            logging.warning("%s", fault)
            pushed.set_string_custom_property("copy_fault", fault)

    def _push(
        self,
        input_dict: Artifacts,
        pushed: types.Artifact,
        exec_properties: dict[str, Any],
    ) -> None:
        if not all_blessed(input_dict) or not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        model = artifact_utils.get_single_instance(input_dict["model"])
        address = model.get_string_custom_property(ADDRESS) or model.uri
        options = PushOptions.model_validate_json(exec_properties["options"])
        examples = input_dict.get("examples") or []
        record = Record(
            model_uri=address,
            model_id=0 if address != model.uri else model.id,  # there TFX makes up a number
            **self._run(exec_properties),
            spans=tuple(sorted(artifact.span for artifact in examples)),
            code=exec_properties["code"],
        )
        gate, canary, evaluator = (
            _folder(input_dict, key) for key in ("gate_report", "canary_report", "evaluator_blessing")
        )
        evidence = Evidence(
            read_report(gate, evaluator) if gate else None,
            CanaryReport.read(canary) if canary else None,
            tuple(IngestAccount.read(artifact.uri) for artifact in input_dict.get("quarantine") or []),
        )
        version = push_model(
            exec_properties["push_destination"], self.GetModelPath(input_dict), record, evidence, options.keep
        )
        if version.record.model_uri != address:
            logging.info("the same model is version %d already: nothing to push", version.number)
        storage.copy_folder(version.path, pushed.uri)
        self._MarkPushed(pushed, pushed_destination=version.path, pushed_version=str(version.number))

    def _run(self, exec_properties: dict[str, Any]) -> dict[str, str]:
        """Return the run that pushes: as the cluster told it, else as TFX's local runner calls it."""
        run = exec_properties.get("run")
        if not run:
            return {"run": getattr(self._context, "pipeline_run_id", None) or ""}
        host = (exec_properties.get("host") or "").rstrip("/")
        page = f"{host}{RUN_PAGE}{run}" if host else ""
        return {"run": run, "run_name": exec_properties.get("run_name") or "", "run_page": page}


def _folder(input_dict: Artifacts, key: str) -> str | None:
    """Return the folder of an input, none if it was not wired."""
    artifacts = input_dict.get(key) or []
    return artifacts[0].uri if artifacts else None

"""Checks the data, writes the verdict as JSON and Markdown, and stores the statistics of accepted data."""

import logging
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import accepted
from components.data_gate.checks import check_all, family_shares
from components.data_gate.options import DataGateOptions
from components.documents.data import DataCheck, DataGateVerdict
from components.documents.ingest import IngestAccount
from components.step import Artifacts

TRAIN = "train"
_SYMBOL = {"ok": "ok", "warn": "WARNING", "stop": "STOP"}


class DataGateExecutor(BaseExecutor):
    """Check the data, and fail if it is refused."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Read statistics, anomalies and the ingest account; write the verdict.

        Raises:
          RefusedDataError: the verdict's reasons.
        """
        options = DataGateOptions.model_validate_json(exec_properties["options"])
        folder = Path(exec_properties["accepted_folder"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        stored = Path(_in_split(input_dict["statistics"], TRAIN, "FeatureStats.pb")).read_bytes()
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(stored)
        schema_uri = artifact_utils.get_single_uri(input_dict["schema"])
        account = IngestAccount.read(artifact_utils.get_single_uri(input_dict["quarantine"]))
        before = accepted.latest_other_than(folder, accepted.digest_of(statistics))
        checks = check_all(
            options,
            io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri)),
            statistics,
            _anomalies(input_dict["anomalies"]),
            notes_in=account.notes_in,
            notes_quarantined=account.quarantined,
            accepted=before.statistics() if before else None,
        )
        verdict = artifact_utils.get_single_instance(output_dict["verdict"])
        passed = not any(check.outcome == "stop" for check in checks)
        span = int(examples.span) if examples.has_custom_property("span") or examples.span else 0
        content = DataGateVerdict(
            accepted=passed,
            span=span,
            compared_with_span=before.span if before else None,
            checks=tuple(checks),
            family_shares=family_shares(statistics),
        )
        content.write(verdict.uri, in_words(passed, checks, before))
        verdict.set_int_custom_property("accepted", int(passed))
        if passed:
            accepted.remember(folder, span, statistics)
        logging.getLogger(__name__).info("data %s", "accepted" if passed else "refused")
        content.enforce("data_gate")


def in_words(passed: bool, checks: list[DataCheck], before: accepted.Accepted | None) -> str:
    """Write the verdict in Markdown: a heading and a table."""
    against = (
        f"span {before.span}, accepted {before.accepted_at}" if before else "nothing: this is the first data"
    )
    rows = "\n".join(
        f"| {_SYMBOL[check.outcome]} | {check.name} | {check.measured:.4g} | {check.limit:g} | {check.words} |"
        for check in checks
    )
    return (
        f"# The data is {'accepted' if passed else 'refused'}\n\n"
        f"Drift was measured against {against}.\n\n"
        "| | check | measured | limit | explanation |\n|---|---|---|---|---|\n" + rows + "\n"
    )


def _in_split(artifacts: list[types.Artifact], split: str, file_name: str) -> str:
    return str(Path(artifact_utils.get_split_uri(artifacts, split)) / file_name)


def _anomalies(artifacts: list[types.Artifact]) -> dict[str, anomalies_pb2.Anomalies]:
    artifact = artifact_utils.get_single_instance(artifacts)
    found = {}
    for split in artifact_utils.decode_split_names(artifact.split_names):
        content = Path(_in_split(artifacts, split, "SchemaDiff.pb")).read_bytes()
        found[split] = anomalies_pb2.Anomalies.FromString(content)
    return found

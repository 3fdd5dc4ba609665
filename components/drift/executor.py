"""Measures how far the new span lies from the others, and writes it down."""

import json
import logging
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import accepted
from components.documents.data import AnswerSummary, DataCheck, DriftVerdict
from components.drift.measures import Answers, check_answers, check_distances, distances_by_span, in_words
from components.drift.options import DriftOptions
from components.predictions import predict
from components.registry import Registry
from components.step import Artifacts

TRAIN = "train"
_STATISTICS = f"Split-{TRAIN}/FeatureStats.pb"


class DriftExecutor(BaseExecutor):
    """Measure drift, and fail if the span is refused."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Compare statistics with those of every accepted span, and the champion's predictions on two spans.

        Raises:
          RefusedDataError: the verdict's reasons.
        """
        options = DriftOptions.model_validate_json(exec_properties["options"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        folder = artifact_utils.get_single_uri(input_dict["statistics"])
        statistics = tfdv.load_stats_binary(f"{folder}/{_STATISTICS}")
        schema_uri = artifact_utils.get_single_uri(input_dict["schema"])
        digest = accepted.digest_of(statistics)
        accepted_folder = Path(exec_properties["accepted_folder"])
        others = {
            entry.span: entry.statistics()
            for entry in accepted.entries(accepted_folder)
            if entry.digest != digest
        }
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        table = distances_by_span(schema, statistics, others)
        champion = artifact_utils.get_single_instance(input_dict["champion"])
        version = champion.get_int_custom_property("version")
        checks: list[DataCheck] = []
        if trained_on := [
            span for span in _spans_of(exec_properties["push_destination"], version) if span in table
        ]:
            limits = json.loads(exec_properties["limits"])
            checks += check_distances(table[max(trained_on)], limits, max(trained_on))
        answers = {}
        if version and input_dict.get("earlier"):
            earlier = artifact_utils.get_single_instance(input_dict["earlier"])
            model = path_utils.serving_model_path(champion.uri)
            answers = {"new": _answers(examples, model), "before": _answers(earlier, model)}
            checks += check_answers(
                answers["new"], answers["before"], options.max_prediction_drift, options.min_agreement
            )
        passed = all(check.outcome != "stop" for check in checks)
        content = DriftVerdict(
            accepted=passed,
            span=examples.get_int_custom_property("span"),
            champion=version,
            checks=tuple(checks),
            distances=table,
            answers={
                which: AnswerSummary(
                    agreement=answer.agreement, confidence=answer.confidence, mean=answer.mean.tolist()
                )
                for which, answer in answers.items()
            },
        )
        # DataGate has stored this span as accepted; this step confirms or reverts that.
        if passed:
            accepted.remember(accepted_folder, content.span, statistics)
        else:
            accepted.forget(accepted_folder, statistics)
        verdict = artifact_utils.get_single_instance(output_dict["verdict"])
        content.write(verdict.uri, in_words(checks, table))
        verdict.set_int_custom_property("accepted", int(passed))
        for check in checks:
            if check.outcome != "ok":
                logging.getLogger(__name__).warning("%s", check.words)
        content.enforce("retrain.drift.min_agreement")  # its only limit that refuses; the others warn


def _spans_of(destination: str, version: int) -> tuple[int, ...]:
    """Return the spans that a version was trained on, according to its record."""
    known = {found.number: found.record.spans for found in Registry(destination).versions()}
    return known.get(version, ())


def _answers(examples: types.Artifact, model: str) -> Answers:
    """Predict the train notes with the champion."""
    folder = artifact_utils.get_split_uris([examples], TRAIN)[0]
    predictions = predict(fileio.glob(f"{folder}/*"), model, None)
    return Answers(predictions.family, predictions.candidate)

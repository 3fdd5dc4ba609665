"""Runs the probe on real notes, checks its measurements and blesses the model or does not."""

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

import nsynth
from components import storage, tfrecord
from components.blessing import bless_infra
from components.canary.checks import judge, markdown, refused, report_of
from components.canary.options import CanaryOptions
from components.canary.run_probe import ProbeError, run_probe
from components.canary.server import ask_server
from components.example_proto import Example
from components.predictions import Predictions
from components.step import Artifacts
from components.version import model_digest


class CanaryExecutor(base_executor.BaseExecutor):
    """Test an exported model."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write report and blessing. A model that is not blessed is not an error: the run continues."""
        options = CanaryOptions.model_validate_json(exec_properties["options"])
        model = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))
        judged = model_digest(model)  # taken first: what is altered meanwhile is not pushed
        expected = _expected(artifact_utils.get_single_uri(input_dict["predictions"]))
        folders = artifact_utils.get_split_uris(input_dict["examples"], exec_properties["split"])
        records = _spread([record for folder in folders for record in _read(folder)], options.notes)
        probabilities = np.array([expected[_note(record)] for record in records])
        with tempfile.TemporaryDirectory() as scratch:
            notes, local_model = f"{scratch}/notes.tfrecord", model
            storage.write_bytes(notes, b"".join(map(tfrecord.frame, records)))
            if storage.is_remote(model):
                local_model = f"{scratch}/model"
                storage.copy_folder(model, local_model)
            question = {
                "model": local_model,
                "notes": notes,
                "probabilities": probabilities.tolist(),
                "samples": nsynth.NOTE_SAMPLES,
                "label": nsynth.LABEL.word,
                "calls": {size: limit.calls for size, limit in options.latency.items()},
            }
            try:
                measured = run_probe(question, options.timeout_s)
                checks = judge(measured, options)
            except ProbeError as error:
                measured, checks = {}, [refused(str(error))]
            server = ask_server(local_model, records, probabilities, options.max_difference)
        report = report_of(checks, measured, server, judged)
        folder = artifact_utils.get_single_uri(output_dict["report"])
        report.write(folder, markdown(report))
        bless_infra(artifact_utils.get_single_instance(output_dict["blessing"]), report.blessed)


def _expected(folder: str) -> dict[str, np.ndarray]:
    """Read what the candidate answered before, by note."""
    predictions = Predictions.load(folder)
    return dict(zip(predictions.note_str.tolist(), predictions.candidate, strict=True))


def _read(folder: str) -> Iterator[bytes]:
    """Yield all records of a split: a sample fits into memory."""
    for name in sorted(storage.children(folder)):
        yield from tfrecord.records(storage.read_bytes(f"{folder}/{name}"))


def _spread(records: list[bytes], wanted: int) -> list[bytes]:
    """Pick at most `wanted` records evenly."""
    return records[:: max(1, len(records) // wanted)][:wanted]


def _note(record: bytes) -> str:
    return Example.FromString(record).features.feature[nsynth.NOTE_STR].bytes_list.value[0].decode()

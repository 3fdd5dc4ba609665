"""Writes down what both models answer, a batch after the other, so that memory does not grow with the notes."""

from itertools import groupby
from operator import itemgetter
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import path_utils

import nsynth
from components.documents.models import AnsweringModels, CandidateArtifact, ChampionArtifact
from components.predictions import ask
from components.serving_model import copy_serving
from components.step import Artifacts
from components.version import model_digest


class PredictorExecutor(base_executor.BaseExecutor):
    """Ask candidate and champion."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Copy the champion; write a file of predictions for each file of notes, and the models' digests.

        Raises:
          nsynth.UserError: there is no note, a model does not answer with finite probabilities, or the champion is not
            a model of this pipeline.
        """
        split = exec_properties["split"]
        model = artifact_utils.get_single_instance(input_dict["model"])
        champion = artifact_utils.get_single_instance(output_dict["champion"])
        destination, told = exec_properties["push_destination"], exec_properties.get("version")
        version = copy_serving(champion, destination, told, candidate=model)
        # Taken before a model answers: one that is altered meanwhile is not pushed.
        candidate = CandidateArtifact(uri=model.uri, id=model.id, digest=model_digest(_folder(model)))
        baseline = ChampionArtifact(uri=champion.uri, version=version)
        if version:
            baseline = baseline.model_copy(update={"digest": model_digest(_folder(champion))})
        files = [
            file
            for folder in artifact_utils.get_split_uris(input_dict["examples"], split)
            for file in fileio.glob(f"{folder}/*")
        ]
        predictions = artifact_utils.get_single_instance(output_dict["predictions"])
        predictions.split_names = artifact_utils.encode_split_names([split])
        examples_utils.set_payload_format(predictions, example_gen_pb2.FORMAT_TF_EXAMPLE)
        target = artifact_utils.get_split_uri([predictions], split)
        fileio.makedirs(target)
        answered = ask(files, _folder(model), _folder(champion) if baseline.digest else None)
        notes = 0
        for number, (_, batches) in enumerate(groupby(answered, itemgetter(0))):
            path = f"{target}/predictions-{number:05}-of-{len(files):05}"
            with tf.io.TFRecordWriter(path) as writer:
                for _, batch in batches:
                    notes += len(batch)
                    for record in batch.records():
                        writer.write(record)
        if not notes:
            raise nsynth.UserError(f"there are no notes to evaluate a model on: the split {split} is empty")
        AnsweringModels(notes=notes, candidate=candidate, champion=baseline).write(predictions.uri)


def _folder(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri)

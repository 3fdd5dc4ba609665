"""Asks a model about whole files, one after the other on each worker.

TFX's executor sends every note with its samples through Beam, into the answers and through gzip, which FnApiRunner
holds in memory. Here only the names of files travel, and the samples are left out of what is written.
"""

import logging
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.components.bulk_inferrer import executor as tfx_bulk_inferrer
from tfx.dsl.io import fileio
from tfx.proto import bulk_inferrer_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils
from tfx_bsl.public.proto import model_spec_pb2

import atomic
import nsynth
from components.blessing import all_blessed
from components.step import Artifacts

BATCH_SIZE = 32
FILE = "examples_tfrecord"


class BulkInferExecutor(tfx_bulk_inferrer.Executor):
    """TFX's reading of inputs, with an inference of our own."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Ask the model, if it is blessed."""
        if not all_blessed(input_dict):
            logging.info("the model is not blessed: it is not asked")
            return
        super().Do(input_dict, output_dict, exec_properties)

    def _run_model_inference(
        self,
        data_spec: bulk_inferrer_pb2.DataSpec,
        output_example_spec: bulk_inferrer_pb2.OutputExampleSpec,
        examples: list[types.Artifact],
        output_examples: types.Artifact,
        inference_result: types.Artifact | None,
        inference_endpoint: model_spec_pb2.InferenceSpecType,
    ) -> None:
        """Write a file of answers for each file of notes."""
        splits = sorted({s for e in examples for s in artifact_utils.decode_split_names(e.split_names)})
        output_examples.split_names = artifact_utils.encode_split_names(splits)
        jobs = []
        for split in splits:
            folders = artifact_utils.get_split_uris(examples, split)
            files = [file for folder in folders for file in fileio.glob(io_utils.all_files_pattern(folder))]
            target = artifact_utils.get_split_uri([output_examples], split)
            fileio.makedirs(target)
            jobs += [
                (file, f"{target}/{FILE}-{number:05}-of-{len(files):05}")
                for number, file in enumerate(sorted(files))
            ]
        model = inference_endpoint.saved_model_spec
        columns = {
            column.output_key: column.output_column
            for spec in output_example_spec.output_columns_spec
            for column in spec.predict_output.output_columns
        }
        with self._make_beam_pipeline() as pipeline:
            (
                pipeline
                | "Files" >> beam.Create(jobs)
                | "Spread" >> beam.Reshuffle()
                | "Ask" >> beam.ParDo(AskModel(model.model_path, model.signature_name[0], columns))
            )


class AskModel(beam.DoFn):
    """Reads a file of Examples and writes another with the answers."""

    notes = beam.metrics.Metrics.counter("bulk_inferrer", "notes")

    def __init__(self, model: str, signature: str, columns: dict[str, str]):
        self._model, self._signature, self._columns = model, signature, columns

    def setup(self) -> None:
        """Load the model once a worker."""
        self._loaded = tf.saved_model.load(self._model)  # the signature does not keep its model alive
        self._ask = self._loaded.signatures[self._signature]

    def process(self, job: tuple[str, str]) -> None:
        """Answer one file."""
        source, target = job
        with atomic.remote_file(target) as draft, tf.io.TFRecordWriter(draft) as writer:
            for record in self._answered(source):
                writer.write(record)
                self.notes.inc()

    def _answered(self, source: str) -> Iterator[bytes]:
        dataset = tf.data.TFRecordDataset(source, "GZIP" if source.endswith(".gz") else "")
        for batch in dataset.batch(BATCH_SIZE).prefetch(1):
            outputs = self._ask(examples=batch)
            answers = {column: outputs[key].numpy() for key, column in self._columns.items()}
            for row, record in enumerate(batch.numpy()):
                example = tf.train.Example.FromString(record)
                del example.features.feature[nsynth.AUDIO]
                for column, values in answers.items():
                    _put(example.features.feature[column], values[row])
                yield example.SerializeToString(deterministic=True)


def _put(feature: tf.train.Feature, value: Any) -> None:
    """Write a scalar or a vector in the type that it has."""
    values = value.ravel().tolist() if hasattr(value, "ravel") else [value]
    if isinstance(values[0], bytes):
        feature.bytes_list.value.extend(values)
    elif isinstance(values[0], int):
        feature.int64_list.value.extend(values)
    else:
        feature.float_list.value.extend(values)

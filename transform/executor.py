"""Runs the Transform step: TFX's contract and TFT's graph, our own way through the data."""

import os
from typing import Any

from tensorflow_transform import TFTransformOutput
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx import types
from tfx.components.transform import executor as stock
from tfx.components.transform import executor_utils, labels
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils
from tfx_bsl.tfxio import tf_example_record

from transform import datasets, preprocessing
from transform.graph import trace_upper_half
from transform.prepare import Prepare

InputDict = dict[str, list[types.Artifact]]


class Executor(stock.Executor):
    """TFX's Transform executor, but that each note is read, decoded and sent through the FFT once.

    Inputs, outputs and execution properties are those of TFX's Transform, with two differences: statistics are never
    computed here, and transformed examples are stored by `transform.codec`, uncompressed, one file for each input
    file. A wired `updated_analyzer_cache` also keeps the spectrograms, so that a later run which gets it as
    `analyzer_cache` neither analyses nor computes again what it has seen.
    """

    def Do(self, input_dict: InputDict, output_dict: InputDict, exec_properties: dict[str, Any]) -> None:
        """Runs the step; see `tfx.components.transform.executor.Executor.Do`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        transform_graph = artifact_utils.get_single_uri(
            output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY]
        )
        temporary = os.path.join(transform_graph, ".temp_path")
        schema = io_utils.SchemaReader().read(
            io_utils.get_only_uri_in_dir(
                artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
            )
        )
        tfxio = tf_example_record.TFExampleRecord("", telemetry_descriptors=["Transform"], schema=schema)
        preprocessing_fn = self._preprocessing_fn(exec_properties)
        upper = trace_upper_half(
            preprocessing_fn, tfxio.TensorAdapter().OriginalTypeSpecs(), preprocessing.RAW_LOG_MEL
        )
        root, earlier = (
            _cache(standard_component_specs.UPDATED_ANALYZER_CACHE_KEY, output_dict),
            _cache(standard_component_specs.ANALYZER_CACHE_KEY, input_dict),
        )
        store = datasets.Store(root or temporary, upper.fingerprint)
        planned = datasets.plan(
            _datasets(input_dict, output_dict, exec_properties),
            store,
            datasets.Store(earlier, upper.fingerprint) if earlier else None,
        )
        metadata_io.write_metadata(
            dataset_metadata.DatasetMetadata(schema),
            os.path.join(transform_graph, TFTransformOutput.RAW_METADATA_DIR),
        )
        with self._make_beam_pipeline() as pipeline, tft_beam.Context(temp_dir=temporary):
            pipeline | Prepare(
                planned,
                preprocessing_fn,
                upper,
                schema_utils.schema_as_feature_spec(schema).feature_spec,
                tfxio.TensorAdapterConfig(),
                store.root,
                transform_graph,
                os.path.join(temporary, "unfinished"),
            )
        fileio.rmtree(temporary)

    def _preprocessing_fn(self, exec_properties: dict[str, Any]) -> Any:
        wanted = (labels.MODULE_FILE, labels.MODULE_PATH, labels.PREPROCESSING_FN, labels.CUSTOM_CONFIG)
        return self._GetPreprocessingFn({label: exec_properties.get(label) for label in wanted}, {})


def _cache(key: str, artifacts: InputDict) -> str | None:
    return artifact_utils.get_single_uri(artifacts[key]) if artifacts.get(key) else None


def _datasets(
    input_dict: InputDict, output_dict: InputDict, exec_properties: dict[str, Any]
) -> list[datasets.Dataset]:
    """Every split of every Examples artifact; several artifacts are several spans, each with its own result."""
    executor_utils.MatchNumberOfTransformedExamplesArtifacts(input_dict, output_dict)
    examples = input_dict[standard_component_specs.EXAMPLES_KEY]
    transformed = output_dict[standard_component_specs.TRANSFORMED_EXAMPLES_KEY]
    config = executor_utils.ResolveSplitsConfig(
        exec_properties.get(standard_component_specs.SPLITS_CONFIG_KEY), examples
    )
    executor_utils.SetSplitNames(sorted(config.transform), transformed)
    return [
        datasets.Dataset(
            artifact_utils.get_split_uris([source], split)[0],
            artifact_utils.get_split_uris([target], split)[0],
            split in config.analyze,
        )
        for source, target in zip(examples, transformed, strict=True)
        for split in sorted(config.transform)
    ]

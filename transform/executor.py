"""The executor of the Transform step: TFX's interface and TFT's graph, with our own data path."""

import os
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import TFTransformOutput
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx import types
from tfx.components.transform import executor as stock
from tfx.components.transform import executor_utils, labels
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as keys
from tfx.utils import io_utils
from tfx_bsl.tfxio import tf_example_record

from transform import preprocessing
from transform.graph import TypeSpecs, trace_upper_half
from transform.prepare import Prepare
from transform.shards import Split, adopt, shards_of

Artifacts = dict[str, list[types.Artifact]]


class Executor(stock.Executor):
    """Replace TFX's Transform executor; each note is read, decoded and sent through the FFT only once.

    Inputs, outputs and execution properties are those of TFX's Transform, with three differences. Statistics are
    never computed. Transformed notes are stored by `transform.codec`, uncompressed, with one file for each input
    file. The cache is our own: if `updated_analyzer_cache` is connected, it keeps the sums and spectrograms of every
    file, so that a later run that gets it as `analyzer_cache` processes only new files.
    """

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Run the step; see `tfx.components.transform.executor.Executor.Do`.

        Raises:
          nsynth.UserError: a split has no files, or the splits to analyse have no notes.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        transform_graph = artifact_utils.get_single_uri(output_dict[keys.TRANSFORM_GRAPH_KEY])
        temporary = os.path.join(transform_graph, ".temp_path")
        schema_file = io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(input_dict[keys.SCHEMA_KEY]))
        schema = io_utils.SchemaReader().read(schema_file)
        raw_metadata = os.path.join(transform_graph, TFTransformOutput.RAW_METADATA_DIR)
        metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), raw_metadata)

        wanted = (labels.MODULE_FILE, labels.MODULE_PATH, labels.PREPROCESSING_FN, labels.CUSTOM_CONFIG)
        preprocessing_fn = self._GetPreprocessingFn({name: exec_properties.get(name) for name in wanted}, {})
        type_specs = type_specs_of(schema)
        upper = trace_upper_half(preprocessing_fn, type_specs, preprocessing.RAW_LOG_MEL)

        splits = _splits(input_dict, output_dict, exec_properties)
        store = _store(output_dict.get(keys.UPDATED_ANALYZER_CACHE_KEY)) or temporary
        shards = shards_of(splits, os.path.join(store, upper.fingerprint))
        if earlier := _store(input_dict.get(keys.ANALYZER_CACHE_KEY)):
            adopt(shards, shards_of(splits, os.path.join(earlier, upper.fingerprint)))
        feature_spec = schema_utils.schema_as_feature_spec(schema).feature_spec
        with self._make_beam_pipeline() as pipeline:
            pipeline | "Prepare" >> Prepare(
                shards, upper, preprocessing_fn, type_specs, feature_spec, transform_graph, temporary
            )
        fileio.rmtree(temporary)


def type_specs_of(schema: schema_pb2.Schema) -> TypeSpecs:
    """Return the types of the raw features, by name.

    Sorted, because TFX returns them in the order of a set, which differs between processes. The names in the graph
    depend on this order, and so does the fingerprint by which a later run recognizes the cache of an earlier one.
    """
    tfxio = tf_example_record.TFExampleRecord("", telemetry_descriptors=["Transform"], schema=schema)
    return dict(sorted(tfxio.TensorAdapter().OriginalTypeSpecs().items()))


def _store(cache: list[types.Artifact] | None) -> str | None:
    return artifact_utils.get_single_uri(cache) if cache else None


def _splits(input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> list[Split]:
    """Return every split of every Examples artifact; several artifacts are several spans, each with its own result."""
    executor_utils.MatchNumberOfTransformedExamplesArtifacts(input_dict, output_dict)
    examples, transformed = input_dict[keys.EXAMPLES_KEY], output_dict[keys.TRANSFORMED_EXAMPLES_KEY]
    config = executor_utils.ResolveSplitsConfig(exec_properties.get(keys.SPLITS_CONFIG_KEY), examples)
    wanted = sorted({*config.analyze, *config.transform})
    executor_utils.SetSplitNames(wanted, transformed)
    return [
        Split(
            artifact_utils.get_split_uris([source], split)[0],
            artifact_utils.get_split_uris([target], split)[0],
            split in config.analyze,
        )
        for source, target in zip(examples, transformed, strict=True)
        for split in wanted
    ]

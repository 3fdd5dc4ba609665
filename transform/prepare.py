"""The Beam graph of the Transform step.

    notes -> MeasureShard -> sums -> TFT's own AnalyzeDatasetWithCache -> transform graph
                   |                                                          | (side input)
                   +--------------------> FinishShard <-----------------------+

Elements are names of files and sums of a few kilobytes; notes never travel between stages, so memory is flat on
every engine.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.beam import analyzer_cache
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

import nsynth
from transform.datasets import Dataset
from transform.graph import Analyzer, UpperHalf
from transform.shards import FeatureSpec, FinishShard, MeasureShard, Sums

ShardSums = tuple[int, int, list[bytes]]  # number of the shard, its notes, a sum for each analyzer


class Prepare(beam.PTransform):
    """Measures, analyses and transforms `datasets`; call it inside a `tft_beam.Context`."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        preprocessing_fn: Callable[..., Any],
        upper: UpperHalf,
        feature_spec: FeatureSpec,
        adapter: TensorAdapterConfig,
        store: str,
        transform_graph: str,
        temporary: str,
    ):
        self._datasets = datasets
        self._preprocessing_fn = preprocessing_fn
        self._upper = upper
        self._feature_spec = feature_spec
        self._adapter = adapter
        self._store = store
        self._transform_graph = transform_graph
        self._temporary = temporary

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Returns nothing of use: the results lie in files."""
        pipeline = begin.pipeline
        fresh = [shard for dataset in self._datasets if not dataset.measured for shard in dataset.shards()]
        known = [shard for dataset in self._datasets if dataset.measured for shard in dataset.shards()]
        measured = (
            pipeline
            | "FreshShards" >> beam.Create(fresh)
            | "Spread" >> beam.Reshuffle()
            | "Measure"
            >> beam.ParDo(MeasureShard(self._upper, self._feature_spec, self._temporary)).with_outputs(
                MeasureShard.MOMENTS, main="shards"
            )
        )
        transform_fn = self._analyse(pipeline, measured[MeasureShard.MOMENTS])
        transform_fn | "WriteTransformFn" >> tft_beam.WriteTransformFn(self._transform_graph)
        saved_model, _ = transform_fn
        finish = FinishShard(self._upper, self._feature_spec, self._temporary)
        return (
            (measured.shards, pipeline | "KnownShards" >> beam.Create(known))
            | "AllShards" >> beam.Flatten()
            | "SpreadAgain" >> beam.Reshuffle()
            | "Finish" >> beam.ParDo(finish, beam.pvalue.AsSingleton(saved_model))
        )

    def _analyse(self, pipeline: beam.Pipeline, moments: beam.PCollection) -> Any:
        """Hands the sums to TFT as if they came from its cache, which they later do."""
        merged = (
            moments
            | "OfDataset" >> beam.GroupByKey()
            | "MergeInOrder" >> beam.Map(merge, self._upper.analyzers)
        )
        analysed = [dataset for dataset in self._datasets if dataset.analysed]
        fresh = {
            d.key: analyzer_cache.DatasetCache(
                {
                    analyzer.cache_key: merged | f"Sum[{n}][{i}]" >> beam.FlatMap(pick, d.key.key, i)
                    for i, analyzer in enumerate(self._upper.analyzers)
                },
                None,
            )
            for n, d in enumerate(analysed)
            if not d.measured
        }
        known = pipeline | "ReadSums" >> analyzer_cache.ReadAnalysisCacheFromFS(
            self._store, [d.key for d in analysed if d.measured], [a.cache_key for a in self._upper.analyzers]
        )
        if fresh:
            fresh | "WriteSums" >> analyzer_cache.WriteAnalysisCacheToFS(pipeline, self._store)
        transform_fn, _ = (
            {d.key: None for d in analysed},
            {**fresh, **known},
            self._adapter,
        ) | tft_beam.AnalyzeDatasetWithCache(self._preprocessing_fn, pipeline=pipeline)
        return transform_fn


def merge(
    of_dataset: tuple[str, Iterable[ShardSums]], analyzers: Sequence[Analyzer]
) -> tuple[str, list[bytes]]:
    """Merges the sums of a dataset's shards in their order, whatever order the engine brings them in."""
    dataset, shards = of_dataset
    total, notes = Sums(analyzers), 0
    for _, count, encoded in sorted(shards):
        total.merge(encoded)
        notes += count
    if not notes:
        raise nsynth.UserError(
            f"{dataset}: the split to be analysed holds no notes. Look into the ingest step."
        )
    return dataset, total.encode()


def pick(of_dataset: tuple[str, list[bytes]], wanted: str, analyzer: int) -> Iterable[bytes]:
    """Yields the sum of one analyzer if it is that of the dataset wanted."""
    dataset, encoded = of_dataset
    if dataset == wanted:
        yield encoded[analyzer]

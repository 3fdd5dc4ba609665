"""The Beam graph of the Transform step.

    names of shards -> Measure -> Analyse -> transform graph
                          |                      | side input
                          +--------------------> Finish -> names of files

Notes never pass between stages, so memory is constant on every engine, and a lost worker affects only its shards.
"""

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam

from transform.graph import TypeSpecs, UpperHalf
from transform.passes import Analyse, FeatureSpec, Finish, Measure
from transform.shards import Shard


class Prepare(beam.PTransform):
    """Measure, analyse and transform shards; return the names of the files with transformed notes."""

    def __init__(
        self,
        shards: Sequence[Shard],
        upper: UpperHalf,
        preprocessing_fn: Callable[..., Any],
        type_specs: TypeSpecs,
        feature_spec: FeatureSpec,
        transform_graph: str,
        temporary: str,
    ):
        self._shards = shards
        self._measure = Measure(upper, feature_spec, temporary)
        self._analyse = Analyse(upper, preprocessing_fn, type_specs, transform_graph, temporary)
        self._finish = Finish(upper, feature_spec, temporary)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Build the graph. The Reshuffles let an engine send each shard to a different worker."""
        measured = (
            begin
            | "Shards" >> beam.Create(self._shards)
            | "Spread" >> beam.Reshuffle()
            | "Measure" >> beam.ParDo(self._measure)
        )
        transform_fn = (
            begin.pipeline
            | "Once" >> beam.Create([None])
            | "Analyse" >> beam.ParDo(self._analyse, beam.pvalue.AsList(measured))
        )
        return (
            measured
            | "SpreadAgain" >> beam.Reshuffle()
            | "Finish" >> beam.ParDo(self._finish, beam.pvalue.AsSingleton(transform_fn))
        )

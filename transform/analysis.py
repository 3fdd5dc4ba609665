"""TFT's analyzers with our own data path: what to sum up, the sums, and the graph that they complete.

For each analyzer, TFT plans the tensors that a batch contributes and a combiner that merges them. This module follows
the plan with TFT's combiners and passes the results to TFT's tracer.
"""

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_transform import TFTransformOutput, analyzer_nodes, graph_tools, impl_helper


class Analyzer(NamedTuple):
    """One analyzer of the traced preprocessing_fn."""

    combiner: analyzer_nodes.Combiner
    coder: analyzer_nodes.CacheCoder
    tensors: tuple[str, ...]  # what a batch contributes
    results: tuple[str, ...]  # stand-ins in the graph for what the analysis will find


class Analysis(NamedTuple):
    """All analyzers, and the fingerprint by which TFT checks that the next trace has the same ones."""

    analyzers: tuple[Analyzer, ...]
    fingerprint: Mapping[str, graph_tools.AnalyzersFingerprint]

    @property
    def tensors(self) -> tuple[str, ...]:
        """Tensors that a batch contributes."""
        return tuple(itertools.chain.from_iterable(analyzer.tensors for analyzer in self.analyzers))


def find_analysis(graph: tf.Graph, inputs: Mapping[str, Any]) -> Analysis:
    """Read TFT's plan from a graph that TFT has traced.

    Raises:
      NotImplementedError: an analyzer does more than combine values of the graph (a vocabulary, a second phase).
    """
    sinks = graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS)
    sinks = sorted(
        sinks, key=lambda sink: (sink.future.parent_operation.operation_def.label, sink.future.value_index)
    )
    of_analyzer = itertools.groupby(sinks, key=lambda sink: sink.future.parent_operation)
    return Analysis(
        tuple(
            _analyzer(operation, tuple(sink.tensor.name for sink in group))
            for operation, group in of_analyzer
        ),
        graph_tools.get_analyzers_fingerprint(graph, inputs),
    )


def _analyzer(extract: Any, results: tuple[str, ...]) -> Analyzer:
    """Follow TFT's plan backwards: extract outputs <- merge <- accumulate <- tensors of a batch."""
    accumulate = extract.inputs[0].parent_operation.inputs[0].parent_operation
    operation = accumulate.operation_def
    if not isinstance(operation, analyzer_nodes.CacheableCombineAccumulate):
        raise NotImplementedError(
            f"{operation.label}: only analyzers that combine values of the graph run here"
        )
    source = accumulate.inputs[0].parent_operation.operation_def
    return Analyzer(
        operation.combiner, operation.cache_coder, tuple(tensor.name for tensor in source.tensors), results
    )


class Sums:
    """Sums of each analyzer over some notes, in double precision."""

    def __init__(self, analyzers: Sequence[Analyzer]):
        self.notes = 0
        self._analyzers = analyzers
        self._totals = [analyzer.combiner.create_accumulator() for analyzer in analyzers]

    def add(self, batch: Mapping[str, np.ndarray], notes: int) -> None:
        """Add the sums of a batch."""
        self.notes += notes
        for i, analyzer in enumerate(self._analyzers):
            values = [np.asarray(batch[name], np.float64) for name in analyzer.tensors]
            self._totals[i] = analyzer.combiner.add_input(self._totals[i], values)

    def merge(self, stored: bytes) -> None:
        """Add other sums, as serialized by `store`."""
        other = json.loads(stored)
        self.notes += other["notes"]
        for i, (analyzer, total) in enumerate(zip(self._analyzers, other["totals"], strict=True)):
            decoded = analyzer.coder.decode_cache(total.encode())
            self._totals[i] = analyzer.combiner.merge_accumulators([self._totals[i], decoded])

    def store(self) -> bytes:
        """Return the sums as JSON, each encoded by TFT's coder."""
        coded = [a.coder.encode_cache(total) for a, total in zip(self._analyzers, self._totals, strict=True)]
        return json.dumps({"notes": self.notes, "totals": [c.decode() for c in coded]}).encode()

    def results(self) -> dict[str, tf.Tensor]:
        """Return the analyzers' results, by the name of the placeholder in the graph."""
        found: dict[str, tf.Tensor] = {}
        for analyzer, total in zip(self._analyzers, self._totals, strict=True):
            outputs = zip(
                analyzer.combiner.output_tensor_infos(), analyzer.combiner.extract_output(total), strict=True
            )
            values = [tf.constant(value, info.dtype) for info, value in outputs]
            found |= dict(zip(analyzer.results, values, strict=True))
        return found


def write_transform_graph(
    folder: str,
    preprocessing_fn: Callable[..., Any],
    type_specs: Mapping[str, tf.TypeSpec],
    analysis: Analysis,
    results: dict[str, tf.Tensor],
    temporary: str,
) -> str:
    """Let TFT trace `preprocessing_fn` again, with the results of the analysis, and write the transform graph.

    Args:
      folder: folder of the transform_graph artifact; an earlier attempt in it is replaced.
      preprocessing_fn: the function to trace.
      type_specs: types of its inputs.
      analysis: the analyzers that an earlier trace found.
      results: the result of `Sums.results`.
      temporary: a folder for this call only, on the same file system.

    Returns:
      the folder of the SavedModel.
    """
    model = os.path.join(temporary, "model")
    impl_helper.trace_and_write_v2_saved_model(
        model,
        preprocessing_fn,
        type_specs,
        base_temp_dir=temporary,
        baseline_analyzers_fingerprint=analysis.fingerprint,
        tensor_replacement_map=results,
        output_keys_to_name_map={},
        save_options=None,
    )
    metadata = os.path.join(folder, TFTransformOutput.TRANSFORMED_METADATA_DIR)
    transform_fn = os.path.join(folder, TFTransformOutput.TRANSFORM_FN_DIR)
    _replace(os.path.join(model, impl_helper.METADATA_DIR_NAME), metadata)
    _replace(model, transform_fn)
    return transform_fn


def _replace(source: str, target: str) -> None:
    if tf.io.gfile.exists(target):
        tf.io.gfile.rmtree(target)
    tf.io.gfile.rename(source, target)

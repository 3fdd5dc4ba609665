"""The traced preprocessing_fn, cut in two at its waist.

Above the waist lies all that costs: decoding, FFT, mel bands, and the batch moments that TFT's analyzers merge. It
knows no statistics, so it runs once a note, before the analysis is complete. Below lies the normalization, which
runs on what the upper half left behind. Both halves are pieces of TFT's own graphs: nothing is computed twice or
written twice.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_transform import analyzer_nodes, impl_helper, nodes, tf2_utils
from tensorflow_transform.beam import analysis_graph_builder, analyzer_cache

Tensors = Mapping[str, tf.Tensor]


class Analyzer(NamedTuple):
    """One TFT analyzer: how batches of a dataset are summed up, and under which key TFT caches the sum."""

    cache_key: str  # of bytes, in truth, whatever TFT annotates
    coder: analyzer_nodes.CacheCoder
    combiner: analyzer_nodes.Combiner
    tensors: tuple[str, ...]  # names in `UpperHalf.fetches`


class Piece(NamedTuple):
    """Part of a graph as plain bytes and names, so that it travels to any worker."""

    graph_def: bytes
    feeds: dict[str, str]  # feature -> tensor
    fetches: dict[str, str]  # result -> tensor

    def apply(self, values: Tensors) -> dict[str, tf.Tensor]:
        """Puts the piece into the current graph (inside a tf.function or a tf.data map)."""
        results = tf.graph_util.import_graph_def(
            tf.compat.v1.GraphDef.FromString(self.graph_def),
            input_map={tensor: tf.identity(values[feature]) for feature, tensor in self.feeds.items()},
            return_elements=list(self.fetches.values()),
            name="",
        )
        return dict(zip(self.fetches, results, strict=True))


class UpperHalf(NamedTuple):
    """All that a worker needs to turn raw notes into the waist's values and the analyzers' batch inputs."""

    piece: Piece
    analyzers: tuple[Analyzer, ...]
    waist: str  # name of the tensor where the graph is cut
    waist_shape: tuple[int, ...]  # of one note
    travellers: tuple[str, ...]  # raw features that the lower half needs beside the waist

    @property
    def kept(self) -> tuple[str, ...]:
        """All that the lower half needs."""
        return (self.waist, *self.travellers)

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is kept of a note could change."""
        return hashlib.sha256(self.piece.graph_def + "/".join(self.kept).encode()).hexdigest()[:16]


def cut(graph: tf.Graph, feeds: Tensors, fetches: Tensors) -> Piece:
    """Takes the part of `graph` that leads from `feeds` to `fetches`; feeds that are not needed fall away."""
    graph_def = graph.as_graph_def()
    fed = {tensor.op.name: tensor.dtype for tensor in feeds.values()}
    for node in graph_def.node:
        if node.name in fed:
            placeholder = tf.compat.v1.NodeDef(name=node.name, op="Placeholder")
            placeholder.attr["dtype"].type = fed[node.name].as_datatype_enum
            node.CopyFrom(placeholder)
    part = tf.compat.v1.graph_util.extract_sub_graph(graph_def, [t.op.name for t in fetches.values()])
    reached = {node.name for node in part.node}
    return Piece(
        part.SerializeToString(deterministic=True),
        {name: tensor.name for name, tensor in feeds.items() if tensor.op.name in reached},
        {name: tensor.name for name, tensor in fetches.items()},
    )


def trace_upper_half(
    preprocessing_fn: Callable[..., Any], type_specs: Mapping[str, tf.TypeSpec], waist: str
) -> UpperHalf:
    """Traces `preprocessing_fn` as TFT does and takes what lies above the tensor named `waist`."""
    graph, inputs, outputs = impl_helper.trace_preprocessing_function(
        preprocessing_fn, type_specs, use_tf_compat_v1=False
    )
    analyzers = _analyzers(graph, inputs, outputs)
    waist_tensor = graph.get_tensor_by_name(f"{waist}:0")
    dense_inputs = {name: tensor for name, tensor in inputs.items() if isinstance(tensor, tf.Tensor)}
    needed = {name: graph.get_tensor_by_name(f"{name}:0") for a in analyzers for name in a.tensors}
    lower = cut(graph, {**dense_inputs, waist: waist_tensor}, outputs)
    return UpperHalf(
        cut(graph, dense_inputs, {waist: waist_tensor, **needed}),
        analyzers,
        waist,
        tuple(waist_tensor.shape[1:]),
        tuple(sorted(lower.feeds.keys() - {waist})),
    )


def load_lower_half(transform_fn: str, waist: str) -> Callable[[Tensors], dict[str, tf.Tensor]]:
    """Takes from an exported transform graph what lies below the tensor named `waist`.

    Args:
      transform_fn: folder of the SavedModel that TFT wrote.
      waist: name of the tensor.

    Returns:
      a function from the waist and the raw features it needs beside it to the transformed features.
    """
    function = tf.saved_model.load(transform_fn).transform_fn
    if hasattr(function, "concrete_functions"):
        (function,) = function.concrete_functions
    graph = function.graph
    inputs = tf2_utils.get_structured_inputs_from_func_graph(graph)
    feeds = {name: tensor for name, tensor in inputs.items() if isinstance(tensor, tf.Tensor)}
    feeds[waist] = graph.get_tensor_by_name(f"{waist}:0")
    # TFT binds the analyzers' results to the graph as captured constants.
    constants = {internal.name: external for external, internal in graph.captures}
    feeds |= {internal.name: internal for _, internal in graph.captures}
    outputs = tf.nest.pack_sequence_as(graph.structured_outputs, graph.outputs)
    piece = cut(graph, feeds, outputs)
    return lambda values: piece.apply({**constants, **values})


def _analyzers(graph: tf.Graph, inputs: Any, outputs: Any) -> tuple[Analyzer, ...]:
    """Asks TFT which batch values each analyzer sums up, with what, and under which cache key."""
    dataset = analyzer_cache.DatasetKey("any")
    _, cache, _ = analysis_graph_builder.build(graph, inputs, outputs, dataset_keys={dataset}, cache_dict={})
    assert cache is not None  # given a cache_dict, TFT plans to cache
    return tuple(_analyzer(key, node) for key, node in sorted(cache[dataset].items()))


def _analyzer(cache_key: bytes, encoded: nodes.ValueNode) -> Analyzer:
    """Walks up TFT's plan: encode for the cache <- pick one analyzer <- accumulate all, packed."""
    encode = encoded.parent_operation
    pick = encode.inputs[0].parent_operation
    packed = pick.inputs[0].parent_operation.operation_def
    if not isinstance(packed, analyzer_nodes.PackedCombineAccumulate):
        raise NotImplementedError(
            f"{packed.label}: only analyzers that combine batches, two or more, are run here"
        )
    (wrapper,) = (c for c in packed.combiners if c.label == pick.operation_def.keys)
    return Analyzer(cache_key, encode.operation_def.coder, wrapper.combiner, _as_names(wrapper.keys))


def _as_names(keys: str | Sequence[str]) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)

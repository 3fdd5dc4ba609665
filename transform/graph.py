"""The traced preprocessing_fn, split into two halves at a tensor that is called the waist.

The upper half has the expensive operations: decoding, FFT, mel bands, and the batch moments that TFT's analyzers sum
up. It does not depend on the statistics, so it runs once for each note, before the analysis is complete. The lower half
is the normalization, which runs on the stored results of the upper half. Both halves are parts of TFT's graphs, so that
nothing is computed or implemented twice.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_transform import impl_helper, tf2_utils

from transform.analysis import Analysis, find_analysis

Tensors = Mapping[str, tf.Tensor]
TypeSpecs = Mapping[str, tf.TypeSpec]


class Piece(NamedTuple):
    """Part of a graph as bytes and names, so that it can be sent to any worker."""

    graph_def: bytes
    feeds: dict[str, str]  # feature -> tensor
    fetches: dict[str, str]  # result -> tensor

    def apply(self, values: Tensors) -> dict[str, tf.Tensor]:
        """Import the piece into the current graph (in a tf.function or a tf.data map)."""
        results = tf.graph_util.import_graph_def(
            tf.compat.v1.GraphDef.FromString(self.graph_def),
            input_map={tensor: tf.identity(values[feature]) for feature, tensor in self.feeds.items()},
            return_elements=list(self.fetches.values()),
            name="",
        )
        return dict(zip(self.fetches, results, strict=True))


class UpperHalf(NamedTuple):
    """What a worker needs to compute the waist and the analyzers' batch inputs from raw notes."""

    piece: Piece
    analysis: Analysis
    waist: str  # name of the tensor where the graph is cut
    waist_shape: tuple[int, ...]  # of one note
    travellers: tuple[str, ...]  # raw features that the lower half needs beside the waist

    @property
    def kept(self) -> tuple[str, ...]:
        """Inputs of the lower half."""
        return (self.waist, *self.travellers)

    @property
    def fingerprint(self) -> str:
        """Fingerprint that changes if the stored values of a note, or the sums over notes, could change."""
        names = "/".join((*self.kept, *self.analysis.tensors))
        return hashlib.sha256(self.piece.graph_def + names.encode()).hexdigest()[:16]


def cut(graph: tf.Graph, feeds: Tensors, fetches: Tensors) -> Piece:
    """Return the part of `graph` that computes `fetches` from `feeds`, without feeds that are not needed."""
    graph_def = graph.as_graph_def()
    fed = {tensor.op.name: tensor.dtype for tensor in feeds.values()}
    for node in graph_def.node:
        if node.name in fed:
            placeholder = tf.compat.v1.NodeDef(name=node.name, op="Placeholder")
            placeholder.attr["dtype"].type = fed[node.name].as_datatype_enum
            node.CopyFrom(placeholder)
    reached = _reached(graph_def, [tensor.op.name for tensor in fetches.values()])
    part = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    part.node.extend(node for node in graph_def.node if node.name in reached)
    return Piece(
        part.SerializeToString(deterministic=True),
        {name: tensor.name for name, tensor in feeds.items() if tensor.op.name in reached},
        {name: tensor.name for name, tensor in fetches.items()},
    )


def trace_upper_half(preprocessing_fn: Callable[..., Any], type_specs: TypeSpecs, waist: str) -> UpperHalf:
    """Trace `preprocessing_fn` as TFT does and return the part above the tensor named `waist`."""
    graph, inputs, outputs = impl_helper.trace_preprocessing_function(
        preprocessing_fn, type_specs, use_tf_compat_v1=False
    )
    analysis = find_analysis(graph, inputs)
    middle = graph.get_tensor_by_name(f"{waist}:0")
    feeds = _dense(inputs)
    summed = {name: graph.get_tensor_by_name(name) for name in analysis.tensors}
    return UpperHalf(
        piece=cut(graph, feeds, {waist: middle, **summed}),
        analysis=analysis,
        waist=waist,
        waist_shape=tuple(middle.shape[1:]),
        travellers=tuple(sorted(cut(graph, {**feeds, waist: middle}, outputs).feeds.keys() - {waist})),
    )


def load_lower_half(transform_fn: str, waist: str) -> Callable[[Tensors], dict[str, tf.Tensor]]:
    """Return the part of an exported transform graph below the tensor named `waist`.

    Args:
      transform_fn: folder of the SavedModel that TFT wrote.
      waist: name of the tensor.

    Returns:
      a function from the waist and the raw features it needs beside it to the transformed features.
    """
    function = tf.saved_model.load(transform_fn).transform_fn
    graph = function.graph
    feeds = _dense(tf2_utils.get_structured_inputs_from_func_graph(graph))
    feeds[waist] = graph.get_tensor_by_name(f"{waist}:0")
    # TFT binds the analyzers' results to the graph as captured constants.
    constants = {internal.name: external for external, internal in graph.captures}
    feeds |= {internal.name: internal for _, internal in graph.captures}
    piece = cut(graph, feeds, tf.nest.pack_sequence_as(graph.structured_outputs, graph.outputs))
    return lambda values: piece.apply({**constants, **values})


def _reached(graph_def: tf.compat.v1.GraphDef, names: list[str]) -> set[str]:
    """Return the names of all nodes that those named depend on, themselves included."""
    inputs = {node.name: node.input for node in graph_def.node}
    reached, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [source.removeprefix("^").partition(":")[0] for source in inputs[name]]
    return reached


def _dense(tensors: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, tf.Tensor)}

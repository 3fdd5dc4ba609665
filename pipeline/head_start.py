"""A head start for the canary: its process imports TensorFlow while another step runs.

The import takes most of the step's time, and Evaluator, which runs meanwhile, uses one core.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import cores
from components.canary import run_probe

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2

STEP = "Canary"


class HeadStart(contextlib.AbstractContextManager["HeadStart"]):
    """Holds the step back until its turn cannot wait, and starts its process when another step runs meanwhile."""

    def __init__(self) -> None:
        self._held: list[pipeline_pb2.Pipeline.PipelineOrNode] = []

    def ordered(
        self, nodes: "Iterable[pipeline_pb2.Pipeline.PipelineOrNode]"
    ) -> "Iterator[pipeline_pb2.Pipeline.PipelineOrNode]":
        """Yield nodes in the order in which they are to run.

        Args:
          nodes: each after those that it depends on.
        """
        for node in nodes:
            if node.pipeline_node.node_info.id == STEP:
                self._held.append(node)
                continue
            if STEP in node.pipeline_node.upstream_nodes:
                yield from self._released()
            yield node
        yield from self._released()

    def give(self) -> None:
        """Start the process if the step is next but for what runs now, and a core is free for it."""
        if self._held and cores.count() > 1:
            run_probe.start_ahead()

    def __exit__(self, *error: Any) -> None:
        run_probe.end_unused()

    def _released(self) -> "Iterator[pipeline_pb2.Pipeline.PipelineOrNode]":
        held, self._held = self._held, []
        yield from held

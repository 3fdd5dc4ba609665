"""Runs the pipeline on this machine. Imports TensorFlow and TFX's components only for a new graph or a running step."""

import logging
from typing import TYPE_CHECKING

from components.serving_model import check_champion
from pipeline import graph_cache, logs, on_demand
from pipeline.collector import at_rest
from pipeline.config import Config
from pipeline.history.endings import record_ending
from pipeline.history.identity import open_own
from pipeline.history.metadata import connection_config
from pipeline.history.step_memory import record_memory

if TYPE_CHECKING:  # seconds to import
    from tfx.proto.orchestration import pipeline_pb2

    from pipeline.data_steps import Spans

_log = logging.getLogger(__name__)


def run_local(config: Config, spans: "Spans | None" = None) -> None:
    """Run every step that is not cached. An error of a step is raised unchanged.

    Args:
      config: all settings.
      spans: the spans to train on; None: the folder `config.input_base`.

    Raises:
      nsynth.UserError: for example, the history's server cannot be reached, or the serving model is not ours.
    """
    config.engine.check([str(config.workspace), str(config.retrain.spans) if spans else config.input_base])
    check_champion(config.models)
    open_own(config.workspace, config.metadata)  # its error message is better than TFX's
    connection = connection_config(config.metadata)
    graph = compile_graph(config, spans) if spans else _kept_or_compiled(config)
    with at_rest():
        from pipeline import launch

    with (
        record_ending(config.metadata, config.without_secrets(), logs.current_file()),
        record_memory(connection),
    ):
        launch.run(graph, connection)


def _kept_or_compiled(config: Config) -> "pipeline_pb2.Pipeline":
    """Return the graph for the folder `config.input_base`."""
    if graph := graph_cache.load(config):
        on_demand.defer()
        return graph
    graph = compile_graph(config, None)
    try:
        graph_cache.save(config, graph)
    except OSError as error:  # the next run builds the graph again
        _log.warning("the graph could not be kept: %s", error)
    return graph


def compile_graph(config: Config, spans: "Spans | None") -> "pipeline_pb2.Pipeline":
    """TFX's form of the graph, without the address of the history."""
    with at_rest():
        from tfx.dsl.compiler.compiler import Compiler

        from pipeline.graph import create_pipeline

    return Compiler().compile(create_pipeline(config, str(config.artifacts), spans))

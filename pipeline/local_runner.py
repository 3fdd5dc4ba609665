"""Runs the graph on this machine: TFX's LocalDagRunner."""

from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from components.champion.check import check_champion
from pipeline import logs
from pipeline.config import Config
from pipeline.data_steps import Spans
from pipeline.graph import create_pipeline
from pipeline.history.endings import record_ending
from pipeline.history.identity import open_own
from pipeline.history.metadata import connection_config
from pipeline.history.step_memory import record_memory


def run_local(config: Config, spans: Spans | None = None) -> None:
    """Runs every step that the cache does not already hold. An error of a step is raised as it is.

    Args:
      config: all settings.
      spans: train on these spans of data; none means on the folder `config.input_base`.

    Raises:
      nsynth.UserError: among others, a server for the history that cannot be reached, or a foreign model that serves.
    """
    config.engine.check([str(config.workspace), str(config.retrain.spans) if spans else config.input_base])
    check_champion(config.models)
    open_own(config.workspace, config.metadata)  # tells more than TFX if that fails
    connection = connection_config(config.metadata)
    pipeline = create_pipeline(config, str(config.artifacts), spans, metadata_connection_config=connection)
    with (
        record_ending(config.metadata, config.without_secrets(), logs.current_file()),
        record_memory(connection),
    ):
        LocalDagRunner().run(pipeline)

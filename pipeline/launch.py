"""Runs a compiled graph on this machine with TFX's launcher; imports TFX.

TFX's LocalDagRunner constructs the executor of every node, even of cached steps, which imports everything that the step
would use. This module constructs an executor only when it runs; everything else is left to the launcher.
"""

import datetime
from collections.abc import Callable
from functools import partial
from typing import Any

from absl import logging
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.dsl.io.filesystem_registry import DEFAULT_FILESYSTEM_REGISTRY
from tfx.dsl.io.plugins.tensorflow_gfile import TensorflowFilesystem
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import data_types, launcher, runtime_parameter_utils
from tfx.orchestration.portable.base_executor_operator import BaseExecutorOperator
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2, pipeline_pb2

from pipeline import interrupts, on_demand
from pipeline.head_start import HeadStart
from pipeline.local_files import LocalFiles
from pipeline.step_log import FINISHED, RUNNING


class _WhenItRuns(BaseExecutorOperator):
    """Construct TFX's operator for a step when the step runs, after a call of `first`."""

    SUPPORTED_EXECUTOR_SPEC_TYPE = [
        executable_spec_pb2.PythonClassExecutableSpec,
        executable_spec_pb2.BeamExecutableSpec,
    ]
    SUPPORTED_PLATFORM_CONFIG_TYPE: list[type] = []

    def __init__(self, *args: Any, first: Callable[[], None], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._first = first

    def run_executor(
        self, execution_info: data_types.ExecutionInfo
    ) -> execution_result_pb2.ExecutorOutput | None:
        """Run the step as TFX does, after loading the deferred packages."""
        self._first()
        on_demand.load_all()
        DEFAULT_FILESYSTEM_REGISTRY.register(TensorflowFilesystem, priority=8)
        kind = launcher.DEFAULT_EXECUTOR_OPERATORS[type(self._executor_spec)]
        operator = kind(executor_spec=self._executor_spec, platform_config=self._platform_config)
        operator.with_execution_watcher(self._execution_watcher_address)
        return operator.run_executor(execution_info)


def run(graph: pipeline_pb2.Pipeline, connection: metadata_store_pb2.ConnectionConfig) -> None:
    """Run all nodes, each after its dependencies. An error of a step is raised unchanged.

    Args:
      graph: the output of TFX's compiler.
      connection: connection to the history.
    """
    if on_demand.waits(on_demand.TENSORFLOW):  # until a step runs: TFX prefers it (10) for local paths, too
        DEFAULT_FILESYSTEM_REGISTRY.register(LocalFiles, priority=9)
    name = datetime.datetime.now().isoformat()
    runtime_parameter_utils.substitute_runtime_parameter(
        graph, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: name}
    )
    deployment = runner_utils.extract_local_deployment_config(graph)
    logging.info("executors: %s", deployment)
    with interrupts.remembered() as check, HeadStart() as head_start:
        operator = partial(_WhenItRuns, first=head_start.give)
        when_it_runs = dict.fromkeys(_WhenItRuns.SUPPORTED_EXECUTOR_SPEC_TYPE, operator)
        for node in head_start.ordered(graph.nodes):
            step = node.pipeline_node.node_info.id
            logging.info(RUNNING, step)
            launcher.Launcher(
                pipeline_node=node.pipeline_node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=graph.pipeline_info,
                pipeline_runtime_spec=graph.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, step),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, step),
                custom_executor_operators=when_it_runs,
            ).launch()
            logging.info(FINISHED, step)
            check()

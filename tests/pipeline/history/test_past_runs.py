import types

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.history import past_runs
from tests.pipeline.past import History


@pytest.fixture
def config(tmp_path):
    return types.SimpleNamespace(metadata=tmp_path / "metadata.sqlite", artifacts=tmp_path / "artifacts")


def test_the_usual_time_of_a_step_is_that_of_the_last_run_that_computed_it(config):
    assert past_runs.usual_seconds(config.metadata) == {}
    history = History(config)
    history.step("run 1", node="Trainer")
    history.step("run 2", node="Trainer", state=mlmd.Execution.CACHED)
    history.step("run 2", node="Canary", state=mlmd.Execution.FAILED)
    usual = past_runs.usual_seconds(config.metadata)
    took = past_runs.load_run(history.store, "run 1").steps["Trainer"].seconds
    assert usual == {"Trainer": took}

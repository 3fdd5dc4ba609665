"""The peak of each step is written into its own execution, also if the step fails, and never fails a run."""

import logging
import time

import numpy as np
import pytest

from pipeline.history import past_runs
from pipeline.history.metadata import connection_config
from pipeline.history.step_memory import PEAK_MEMORY, record_memory
from tests.pipeline.report.workspace import RUN, Workspace

pytestmark = pytest.mark.slow

MEGABYTE = 1_000_000
log = logging.getLogger("tfx")


@pytest.fixture(autouse=True)
def messages_of_tfx(caplog):
    """As `nsynth run` sets the loggers up."""
    caplog.set_level(logging.INFO)


def need(megabytes: int) -> None:
    """Takes so much memory for a while."""
    block = np.ones(megabytes * MEGABYTE // 8)
    time.sleep(0.7)
    del block


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def peaks(workspace: Workspace) -> dict[str, int | None]:
    steps = past_runs.load_run(workspace.store, RUN).steps
    return {name: step.properties.get(PEAK_MEMORY) for name, step in steps.items()}


def test_each_step_has_its_own_peak(workspace):
    with record_memory(connection_config(workspace.config.metadata)):
        for name, megabytes, state in (
            ("Small", 1, "COMPLETE"),
            ("Large", 400, "COMPLETE"),
            ("Old", 1, "CACHED"),
        ):
            log.info("Component %s is running.", name)
            need(megabytes)
            workspace.step(name, {}, {}, state=state)
            log.info("Component %s is finished.", name)
    found = peaks(workspace)
    assert found["Old"] is None, "what came from the cache took nothing"
    assert found["Large"] - found["Small"] == pytest.approx(400, abs=100)


def test_memory_of_child_processes_counts(workspace):
    import subprocess
    import sys

    hungry = "import time; block = bytearray(b'x') * 300_000_000; time.sleep(5)"
    with record_memory(connection_config(workspace.config.metadata)):
        log.info("Component Alone is running.")
        need(1)
        workspace.step("Alone", {}, {})
        log.info("Component Alone is finished.")
        log.info("Component Parent is running.")
        subprocess.run([sys.executable, "-c", hungry], check=True)
        workspace.step("Parent", {}, {})
        log.info("Component Parent is finished.")
    found = peaks(workspace)
    assert found["Parent"] - found["Alone"] > 250


def fail(workspace: Workspace) -> None:
    with record_memory(connection_config(workspace.config.metadata)):
        log.info("Component Trainer is running.")
        workspace.step("Trainer", {}, {}, state="FAILED")
        raise ValueError("no more room")


def test_a_step_that_fails_has_one_too(workspace):
    with pytest.raises(ValueError, match="no more room"):
        fail(workspace)
    assert peaks(workspace)["Trainer"] > 10


def test_a_history_that_cannot_be_written_fails_no_run(workspace, caplog):
    with record_memory(connection_config(workspace.config.metadata)):
        log.info("Component Trainer is running.")
        log.info("Component Trainer is finished.")  # and there is no run
    assert "the memory of Trainer could not be written down" in caplog.text

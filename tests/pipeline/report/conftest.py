"""A past run in a workspace, written once, and its page."""

from pathlib import Path

import pytest

from pipeline.history import past_runs
from pipeline.report.record import RunRecord
from tests.pipeline.report.past_run import Told, write_run
from tests.pipeline.report.workspace import Workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One run that lost against a champion; only to be read."""
    made = Workspace(tmp_path_factory.mktemp("past") / "workspace")
    write_run(made, Told(champion=True, pushed=False))
    return made


@pytest.fixture(scope="session")
def record(workspace: Workspace) -> RunRecord:
    """That run."""
    return RunRecord(past_runs.load_run(workspace.store), workspace.config)


@pytest.fixture(scope="session")
def page(record: RunRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    from pipeline.report import write_report

    return write_report(record.config, path=tmp_path_factory.mktemp("page") / "report.html")

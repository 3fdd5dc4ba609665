"""The pages about runs: one file for each run, and an index of all, made of artifacts and the ledger alone."""

import logging
from pathlib import Path

import atomic
from pipeline.config import Config

INDEX = "index.html"
"""The page about all runs, in the folder of reports."""


def report_path(config: Config, run: str) -> Path:
    """Return the path of the report of a run."""
    return config.workspace / "reports" / f"{run.replace(':', '')}.html"


def write_report(config: Config, run: str | None = None, path: Path | None = None) -> Path:
    """Write the report of a run, by default the newest, and its main facts; return the path of the report.

    Args:
      config: names the workspace.
      run: name of the run.
      path: the file to write; by default below `workspace/reports`.

    Raises:
      nsynth.UserError: there is no such run.
    """
    from pipeline.history import past_runs
    from pipeline.report import charts
    from pipeline.report.facts import facts_of, facts_path
    from pipeline.report.page import render
    from pipeline.report.record import RunRecord

    loaded = past_runs.load_run(past_runs.open_store(config.metadata), run)
    record = RunRecord(loaded, config)
    path = path or report_path(config, loaded.name)
    reports = config.workspace / "reports"
    atomic.write(facts_path(reports, loaded.name), facts_of(record).model_dump_json(indent=1))
    index = INDEX if path.absolute().parent == reports.absolute() else ""
    with charts.taken_from(path):
        atomic.write(path, render(record, index))
    return path


def write_if_possible(config: Config, run: str | None = None) -> Path | None:
    """Write the report at the end of a run; log any error, since report errors never fail the run."""
    try:
        return write_report(config, run)
    except Exception:
        logging.getLogger(__name__).warning("cannot write the report", exc_info=True)
        return None


def write_failed_if_possible(config: Config, before: str) -> Path | None:
    """Write the report of a run that has just failed, if it got as far as to be recorded; log any error.

    Args:
      config: names the workspace.
      before: name of the newest run before it.
    """
    from pipeline.history import past_runs

    try:
        newest = past_runs.newest_run(config.metadata)
        return write_report(config, newest) if newest != before else None
    except Exception:
        logging.getLogger(__name__).warning("cannot write the report of the failed run", exc_info=True)
        return None

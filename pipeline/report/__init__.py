"""The run report: one self-contained HTML file, made of a run's artifacts alone."""

import logging
import os
import tempfile
from pathlib import Path

from pipeline.config import Config


def report_path(config: Config, run: str) -> Path:
    """Return the path of the report of a run."""
    return config.workspace / "reports" / f"{run.replace(':', '')}.html"


def write_report(config: Config, run: str | None = None, path: Path | None = None) -> Path:
    """Write the report of a run, by default the newest, and return its path.

    Args:
      config: names the workspace.
      run: name of the run.
      path: the file to write; by default below `workspace/reports`.

    Raises:
      nsynth.UserError: there is no such run.
    """
    from pipeline.history import past_runs
    from pipeline.report.page import render
    from pipeline.report.record import RunRecord

    loaded = past_runs.load_run(past_runs.open_store(config.metadata), run)
    path = path or report_path(config, loaded.name)
    _write_whole(path, render(RunRecord(loaded, config)).encode())
    return path


def write_if_possible(config: Config, run: str | None = None) -> Path | None:
    """Write the report at the end of a run; log any error, since report errors never fail the run."""
    try:
        return write_report(config, run)
    except Exception:
        logging.getLogger(__name__).warning("cannot write the report", exc_info=True)
        return None


def _write_whole(path: Path, content: bytes) -> None:
    """Write the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise

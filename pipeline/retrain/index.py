"""The index of all runs, written at the end of each run and round."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.retrain import lock
from pipeline.retrain.due import next_round

if TYPE_CHECKING:  # imports the history, which most commands about rounds do without
    from pipeline.report.overview import Overview


def write_index_if_possible(config: Config) -> Path | None:
    """Write the index and return its path; log any error, which must not fail the run or round."""
    try:
        from pipeline.report.index import write_index

        return write_index(config, collect(config))
    except Exception:
        logging.getLogger(__name__).warning("cannot write the index of all runs", exc_info=True)
        return None


def collect(config: Config) -> "Overview":
    """Collect what the index shows.

    Raises:
      nsynth.UserError: the schedule's cron expression is none.
    """
    from pipeline.report.overview import overview

    return overview(config, next_round(config.retrain.schedule, lock.now()))

"""What else of past runs may go, beside artifacts: logs, pages, and what a cluster's steps have written down."""

import time
from collections.abc import Iterator
from pathlib import Path

from components.claim import ALIVE_FILE, Claim
from components.registry import Registry
from pipeline.config import Config
from pipeline.history.cluster_lineage import runs_behind
from pipeline.history.outputs import TRASH
from pipeline.report import INDEX
from pipeline.retrain.round import Retraining

MAY_RUN_S = 86_400.0
"""A run on a cluster in which nothing came to its end for so long is over."""


def old_files(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield each file or folder that may go, and what it is.

    Raises:
      nsynth.UserError: a record on a cluster's claim, or the ledger, cannot be read.
    """
    cleanup = config.retrain.cleanup
    oldest = time.time() - cleanup.keep_logs_days * 86_400
    for path in (config.workspace / "logs").glob("*.log"):
        if path.stat().st_mtime < oldest:
            yield path, "old logs"
    pages = (path for path in (config.workspace / "reports").glob("*.html") if path.name != INDEX)
    for path in sorted(pages, reverse=True)[cleanup.keep_reports :]:
        yield path, "old reports"
    for path in old_documents(config):
        yield path, "documents of old runs on a cluster"


def old_documents(config: Config) -> Iterator[Path]:
    """Yield the documents of runs on a cluster that nobody asks for any more.

    Those of the newest runs stay, of runs that may still be running, of the last one that came to its end, and of all
    in which a version in the model folder, or something that it was made of, was made: `nsynth lineage` reads them.

    Raises:
      nsynth.UserError: a record on the claim, or the ledger, cannot be read.
    """
    claim, cleanup = Claim(config.workspace), config.retrain.cleanup
    folders = [path for path in claim.documents.glob("*") if path.is_dir()]
    runs = {path: _last_sign(path) for path in folders if not path.name.startswith(TRASH)}
    newest_first = sorted(runs, key=lambda path: runs[path], reverse=True)
    older = newest_first[max(cleanup.keep_reports, cleanup.keep_runs) :]
    older = [path for path in older if time.time() - runs[path] > MAY_RUN_S]
    versions = Registry(config.models).versions() if older else []
    if any(version.fault for version in versions):  # nobody knows what it was made of
        older = []
    elif older:
        stay = {last_complete(config), *(version.record.run for version in versions)}
        stay |= runs_behind(claim, (version.record.model_uri for version in versions))
        older = [path for path in older if path.name not in stay]
    yield from (*older, *(path for path in folders if path not in runs))


def last_complete(config: Config) -> str:
    """Return the run whose spectrograms the next round takes over."""
    runs = [line.run for line in Retraining(config).ledger.rounds() if line.outcome.settles and line.run]
    return runs[-1] if runs else ""


def _last_sign(documents: Path) -> float:
    """When a step of the run last gave a sign of life, in unix seconds."""
    try:
        return (documents / ALIVE_FILE).stat().st_mtime
    except FileNotFoundError:
        return documents.stat().st_mtime

"""How a run ended with which settings and which log, kept in the history: TFX records neither.

A step that was interrupted looks like one that failed, the configuration of a run is gone with the next edit, and
what a step has written before it failed is deleted.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import explain, masked
from pipeline.history.metadata import connect

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

ENDING, REASON, SETTINGS, LOG = "nsynth_ending", "nsynth_reason", "nsynth_settings", "nsynth_log"
VERDICT = "nsynth_verdict"
"""Custom properties of the context of a run."""
INTERRUPTED, FAILED = "interrupted", "failed"
_RUN_CONTEXT = "pipeline_run"
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def record_ending(where: Path | str, settings: str, log: str = "") -> Iterator[None]:
    """While TFX's local runner works inside, writes down why it stopped, the verdict on refused data, and the settings.

    Args:
      where: the history, as `config.metadata`.
      settings: the configuration as JSON, without secrets.
      log: the file with the messages of the run.
    """
    store = connect(where)
    before = _newest(store)
    ending, reason, verdict = "", "", ""
    try:
        yield
    except BaseException as error:
        ending = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        reason = "" if ending == INTERRUPTED else masked(explain(error))
        verdict = getattr(error, "verdict", "")
        raise
    finally:
        try:
            told = {ENDING: ending, REASON: reason, SETTINGS: settings, LOG: log, VERDICT: verdict}
            _write(store, before, told)
        except Exception as error:  # it must not hide how the run ended
            _log.warning("how the run ended could not be recorded: %s", error)


def _newest(store: "MetadataStore") -> int:
    """Return the id of the newest run, 0 if there is none."""
    return max((context.id for context in store.get_contexts_by_type(_RUN_CONTEXT)), default=0)


def _write(store: "MetadataStore", before: int, properties: dict[str, str]) -> None:
    """Add properties to the run that has begun since `before`, if one has."""
    newest = _newest(store)
    if newest <= before:
        return
    [context] = store.get_contexts_by_id([newest])
    for name, value in properties.items():
        context.custom_properties[name].string_value = value
    store.put_contexts([context])

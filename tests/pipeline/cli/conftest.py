"""The commands are tested on the fixtures of the rooms that they call."""

from tests.components.ingest.conftest import any_form, notes, writers
from tests.corpus.conftest import make_soundfont, small_font
from tests.pipeline.report.conftest import page, record, workspace
from tests.pipeline.retrain.conftest import config, deliver, stand_in

__all__ = [
    "any_form",
    "config",
    "deliver",
    "make_soundfont",
    "notes",
    "page",
    "record",
    "small_font",
    "stand_in",
    "workspace",
    "writers",
]

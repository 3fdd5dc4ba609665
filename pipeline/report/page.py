"""The page: one section after the other, in one file that needs nothing else."""

import datetime
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.report.html import download, environment, frame
from pipeline.report.record import Absent, RunRecord
from pipeline.report.sections import (
    augmentation,
    canary,
    changes,
    confusion,
    data,
    drift,
    failure,
    gallery,
    gate,
    headline,
    lineage,
    mistakes,
    runs,
    slices,
    steps,
    training,
    versions,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Section:
    """One part of the page; its template has its name."""

    id: str
    title: str
    short: str
    """Title in the navigation."""
    build: Callable[[RunRecord], dict[str, Any]]


SECTIONS = (
    Section("gate", "Gate", "Gate", gate.build),
    Section("confusion", "Confusion matrix", "Confusion", confusion.build),
    Section("slices", "Slices", "Slices", slices.build),
    Section("mistakes", "Most confident errors", "Errors", mistakes.build),
    Section("canary", "Canary", "Canary", canary.build),
    Section("runs", "Accuracy across runs", "Runs", runs.build),
    Section("changes", "Settings that differ from the champion's run", "Changes", changes.build),
    Section("training", "Training", "Training", training.build),
    Section("data", "Data", "Data", data.build),
    Section("drift", "Drift", "Drift", drift.build),
    Section("gallery", "Gallery", "Gallery", gallery.build),
    Section("augmentation", "Augmentation", "Augmentation", augmentation.build),
    Section("lineage", "Lineage", "Lineage", lineage.build),
    Section("steps", "Time and memory", "Time", steps.build),
    Section("versions", "Versions", "Versions", versions.build),
)
"""In the order in which readers ask: the answer first, then how it came about."""
FAILURE = Section("failure", "What failed", "Failure", failure.build)
"""Before all others on the page of a run that failed or was interrupted."""


def render(record: RunRecord, index: str = "") -> str:
    """Render the whole page as HTML; a section whose artifacts are missing or damaged says so and fails nothing.

    Args:
      record: the run.
      index: address of the page about all runs, if this one lies beside it.
    """
    templates = environment()
    shown = (FAILURE, *SECTIONS) if failure.applies(record) else SECTIONS
    parts = [(section, *_body(templates, section, record)) for section in shown]
    return templates.get_template("page.html").render(
        headline=headline.build(record),
        parts=parts,
        written=datetime.datetime.now(datetime.UTC),
        name=record.ran_with.name,
        index=index,
        **frame(("style.css",), ("page.js", "play.js")),
    )


def _body(templates: jinja2.Environment, section: Section, record: RunRecord) -> tuple[Markup, str]:
    """Render one section; answer its HTML, or why there is none."""
    try:
        template = templates.get_template(f"{section.id}.html")
        built = section.build(record)
        files = [download(name, rows) for name, rows in built.pop("files", {}).items()]
        return Markup(template.render(built) + templates.get_template("files.html").render(files=files)), ""
    except Absent as absent:
        return Markup(""), str(absent)
    except Exception as error:  # a damaged artifact must not hide all the others
        _log.exception("cannot render section %s of the report", section.id)
        return Markup(""), f"This section could not be read: {type(error).__name__}: {error}"

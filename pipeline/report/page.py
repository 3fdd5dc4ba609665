"""The page: one section after the other, in one file that needs nothing else."""

import datetime
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.report.html import environment, frame
from pipeline.report.record import Absent, RunRecord
from pipeline.report.sections import (
    augmentation,
    canary,
    confusion,
    data,
    drift,
    gallery,
    gate,
    headline,
    lineage,
    mistakes,
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
    build: Callable[[RunRecord], dict[str, Any]]


SECTIONS = (
    Section("data", "Data", data.build),
    Section("drift", "Drift", drift.build),
    Section("gallery", "Gallery", gallery.build),
    Section("augmentation", "Augmentation", augmentation.build),
    Section("training", "Training", training.build),
    Section("gate", "Gate", gate.build),
    Section("slices", "Slices", slices.build),
    Section("confusion", "Confusion matrix", confusion.build),
    Section("mistakes", "Most confident errors", mistakes.build),
    Section("canary", "Canary", canary.build),
    Section("lineage", "Lineage", lineage.build),
    Section("steps", "Time and memory", steps.build),
    Section("versions", "Versions", versions.build),
)


def render(record: RunRecord, index: str = "") -> str:
    """Render the whole page as HTML; a section whose artifacts are missing or damaged says so and fails nothing.

    Args:
      record: the run.
      index: address of the page about all runs, if this one lies beside it.
    """
    templates = environment()
    parts = [(section, *_body(templates, section, record)) for section in SECTIONS]
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
        return Markup(template.render(section.build(record))), ""
    except Absent as absent:
        return Markup(""), str(absent)
    except Exception as error:  # a damaged artifact must not hide all the others
        _log.exception("cannot render section %s of the report", section.id)
        return Markup(""), f"This section could not be read: {type(error).__name__}: {error}"

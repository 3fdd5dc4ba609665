"""The page: one section after the other, in one file that needs nothing else."""

import datetime
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

import nsynth
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

TEMPLATES = Path(__file__).parent / "templates"
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


def render(record: RunRecord) -> str:
    """Render the whole page as HTML; a section whose artifacts are missing or damaged says so and fails nothing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["dataset"] = nsynth
    environment.filters["percent"] = lambda share, digits=1: f"{share:.{digits}%}"
    parts = [(section, *_body(environment, section, record)) for section in SECTIONS]
    return environment.get_template("page.html").render(
        headline=headline.build(record),
        parts=parts,
        style=Markup((TEMPLATES / "style.css").read_text()),
        script=Markup((TEMPLATES / "play.js").read_text()),
        written=datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        name=record.ran_with.name,
    )


def _body(environment: jinja2.Environment, section: Section, record: RunRecord) -> tuple[Markup, str]:
    """Render one section; answer its HTML, or why there is none."""
    try:
        template = environment.get_template(f"{section.id}.html")
        return Markup(template.render(section.build(record))), ""
    except Absent as absent:
        return Markup(""), str(absent)
    except Exception as error:  # a damaged artifact must not hide all the others
        _log.exception("cannot render section %s of the report", section.id)
        return Markup(""), f"This section could not be read: {type(error).__name__}: {error}"

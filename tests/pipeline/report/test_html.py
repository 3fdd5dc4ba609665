"""What pages are drawn with: templates are compiled once, colours are Matplotlib's."""

from pathlib import Path

import jinja2
import matplotlib
import numpy as np
import pytest

from pipeline.report import html
from pipeline.report.notes import COLOURS
from pipeline.report.sections.augmentation import DIFFERENCES


def _render(monkeypatch: pytest.MonkeyPatch, compiled: Path) -> str:
    """Render a template as a process would that has rendered none before."""
    monkeypatch.setattr(html, "COMPILED", compiled)
    return html.environment.__wrapped__().get_template("files.html").render(files=[])


def test_a_template_is_compiled_by_the_first_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    first = _render(monkeypatch, tmp_path / "kept")
    monkeypatch.setattr(jinja2.Environment, "compile", lambda *_: pytest.fail("compiled again"))
    assert _render(monkeypatch, tmp_path / "kept") == first


def test_a_folder_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    assert _render(monkeypatch, tmp_path / "file") == _render(monkeypatch, tmp_path / "kept")


@pytest.mark.parametrize("name", [COLOURS, DIFFERENCES])
def test_colours_are_those_of_matplotlib(name: str) -> None:
    theirs = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    assert (html.TEMPLATES / f"{name}.rgb").read_bytes() == theirs.tobytes()

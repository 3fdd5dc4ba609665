"""Charts: what is drawn, and when it is not drawn again."""

from pathlib import Path

import altair
import pytest
import vl_convert

from pipeline.report import charts, vega
from pipeline.report.page import render


def _bars(notes: int) -> vega.Chart:
    rows = [{"name": "bass", "notes": notes, "tip": "bass; <n>"}]
    return vega.Chart.of(rows).mark("bar").encode(x="notes:Q", y="name:N", description=charts.TIP)


@pytest.mark.slow
def test_every_specification_of_a_page_keeps_to_the_schema_of_vega_lite(
    record, monkeypatch: pytest.MonkeyPatch
):
    drawn = []
    monkeypatch.setattr(charts, "_drawn", lambda spec, *_: drawn.append(spec) or "<svg />")
    render(record)
    assert len(drawn) > 10
    for spec in drawn:
        altair.Chart.from_dict(spec, validate=True)


def test_a_specification_outside_the_schema_would_be_found():
    with pytest.raises(Exception, match="is not of type 'number'"):
        altair.Chart.from_dict(_bars(1).properties(width="wide").spec, validate=True)


def test_a_page_that_is_written_again_draws_changed_charts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page = tmp_path / "page.html"
    first = charts.svg(_bars(1), "Notes")
    page.write_text(f"<p>{first}</p>")
    drawn = []
    draw = vl_convert.vegalite_to_svg
    monkeypatch.setattr(
        vl_convert, "vegalite_to_svg", lambda spec, **k: drawn.append(spec) or draw(spec, **k)
    )
    with charts.taken_from(page):
        assert charts.svg(_bars(1), "Notes") == first
        assert not drawn
        assert charts.svg(_bars(2), "Notes") != first
        assert charts.svg(_bars(1), "Other words") != first
    assert len(drawn) == 2
    assert charts.svg(_bars(1), "Notes") == first
    assert len(drawn) == 3


def test_without_an_earlier_page_everything_is_drawn(tmp_path: Path):
    with charts.taken_from(tmp_path / "none.html"):
        assert "<title>bass; &lt;n&gt;</title>" in charts.svg(_bars(1), "Notes")

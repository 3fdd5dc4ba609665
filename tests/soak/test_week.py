"""A short week of unattended rounds on the real pipeline: one day of each kind. `make soak` lives a whole month."""

import json
from pathlib import Path

import pytest

from benchmarks import soak_checks
from benchmarks.soak import WEEK
from benchmarks.soak_chart import draw

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def week(run_module, tmp_path_factory) -> dict:
    folder: Path = tmp_path_factory.mktemp("week")
    done = run_module("benchmarks.soak", "--rounds", 0, "--folder", folder, "--output", folder / "week.json")
    assert (folder / "week.json").exists(), done.stdout + done.stderr
    return {**json.loads((folder / "week.json").read_text()), "workspace": folder / "workspace"}


def test_nothing_is_as_it_should_not_be(week):
    assert week["faults"] == []
    assert [day["kind"] for day in week["days"]] == list(WEEK)


@pytest.mark.parametrize("kind", WEEK)
def test_each_day_has_its_outcome_and_its_words(week, kind):
    [rounds] = [day["rounds"] for day in week["days"] if day["kind"] == kind][:1]
    outcomes, words = soak_checks.EXPECTED[kind]
    assert rounds[-1]["outcome"] in outcomes
    assert words in rounds[-1]["words"]


def test_what_was_refused_is_no_yardstick_for_later_spans(week):
    accepted = sorted(path.name.partition("-span-")[2] for path in (week["workspace"] / "accepted").iterdir())
    assert accepted == ["1", "2", "7", "8"]


def test_a_night_without_data_takes_no_time(week):
    [day] = [day for day in week["days"] if day["kind"] == "no data"]
    assert day["seconds"] < 5


def test_the_first_nights_push_and_the_killed_one_is_told(week):
    assert [day["outcome"] for day in week["days"][:2]] == ["pushed", "pushed"]
    [last] = [day for day in week["days"] if day["kind"] == "killed"]
    assert last["rounds"][-1]["window"][-2:] == [7, 8], "the span of the day the disk was full is made up for"
    assert last["rounds"][0]["outcome"] in ("crashed", "pushed", "kept")


def test_the_month_is_drawn(week, tmp_path):
    draw(week, tmp_path / "month.svg")
    drawn = (tmp_path / "month.svg").read_text()
    assert drawn.count("<path") > len(WEEK)

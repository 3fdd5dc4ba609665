"""A short week of unattended rounds on the real pipeline: one day of each kind. `make soak` lives a whole month."""

import json
from pathlib import Path

import pytest

from benchmarks import soak_checks
from benchmarks.soak import WEEK, configure
from benchmarks.soak_chart import draw
from components.registry import Registry

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def week(run_module, tmp_path_factory) -> dict:
    folder: Path = tmp_path_factory.mktemp("week")
    done = run_module("benchmarks.soak", "--rounds", 0, "--folder", folder, "--output", folder / "week.json")
    assert (folder / "week.json").exists(), done.stdout + done.stderr
    return {
        **json.loads((folder / "week.json").read_text()),
        "folder": folder,
        "workspace": folder / "workspace",
    }


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
    seconds = {day["kind"]: day["seconds"] for day in week["days"]}
    assert seconds["no data"] < seconds["ordinary"] / 5


def test_the_first_nights_push_and_the_killed_one_is_told(week):
    assert [day["outcome"] for day in week["days"][:2]] == ["pushed", "pushed"]
    [last] = [day for day in week["days"] if day["kind"] == "killed"]
    assert last["rounds"][-1]["window"][-2:] == [7, 8], "the span of the day the disk was full is made up for"
    assert last["rounds"][0]["outcome"] in ("crashed", "pushed", "kept")


def test_after_a_way_back_and_a_clean_up_the_next_round_goes_on(week, run_module):
    """The notes behind a version that is no champion are gone: the round that makes it one again reads none."""
    data = week["folder"] / "data"
    config = configure(week["workspace"], data / "spans", data / "holdout", recipe=())
    places = {
        "workspace": config.workspace,
        "retrain.spans": data / "spans",
        "retrain.holdout": data / "holdout",
    }
    settings = [*(f"{key}={place}" for key, place in places.items()), "recipe.size=tiny", "recipe.epochs=1"]
    options = ["--config", "benchmarks/soak.yaml", *(part for each in settings for part in ("--set", each))]
    withdrawn, back = Registry(config.models).serving(), Registry(config.models).rollback()
    assert withdrawn.record.accuracy.value > back.record.accuracy.value
    cleaned = run_module("pipeline.cli.main", "gc", "--yes", *options)
    assert cleaned.returncode == 0, cleaned.stderr
    done = run_module("pipeline.cli.main", "retrain", "--force", "--json", *options)
    told = json.loads(done.stdout)
    assert told["outcome"] in ("pushed", "kept"), done.stderr
    assert told["champion_accuracy"] == pytest.approx(back.record.accuracy.value)


def test_the_month_is_drawn(week, tmp_path):
    draw(week, tmp_path / "month.svg")
    drawn = (tmp_path / "month.svg").read_text()
    assert drawn.count("<path") > len(WEEK)

"""When rounds are due."""

import datetime
from itertools import pairwise

import pydantic
import pytest

import nsynth
from pipeline.retrain.due import next_round, trigger
from pipeline.retrain.options import ScheduleOptions


def utc(*moment: int) -> datetime.datetime:
    return datetime.datetime(*moment, tzinfo=datetime.UTC)


def test_the_hour_is_that_of_the_time_zone_in_summer_and_winter():
    options = ScheduleOptions(cron="30 3 * * *", timezone="Europe/Berlin")
    assert next_round(options, utc(2025, 7, 1)) == utc(2025, 7, 1, 1, 30)
    assert next_round(options, utc(2025, 12, 1)) == utc(2025, 12, 1, 2, 30)


def test_a_bad_expression_or_zone_is_told():
    with pytest.raises(nsynth.UserError, match=r"retrain\.schedule\.cron"):
        trigger(ScheduleOptions(cron="61 3 * * *"))
    with pytest.raises(pydantic.ValidationError, match="write five"):
        ScheduleOptions(cron="0 0 3 * * *")
    with pytest.raises(pydantic.ValidationError, match="Europe/Berlin"):
        ScheduleOptions(timezone="Mars/Olympus")


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", "Sun"), ("7", "Sun"), ("1-5", "Mon Tue Wed Thu Fri"), ("5-7", "Fri Sat Sun"), ("6,0", "Sat Sun"),
        ("*/3", "Wed Sat Sun"), ("mon-wed", "Mon Tue Wed"),
    ],
)  # fmt: skip
def test_weekdays_are_counted_as_cron_counts_them(weekday, days):
    options = ScheduleOptions(cron=f"0 3 * * {weekday}")
    monday = utc(2026, 11, 2)
    week = [monday + datetime.timedelta(days=number) for number in range(7)]
    due = [day.strftime("%a") for day in week if next_round(options, day).date() == day.date()]
    assert due == days.split()


def test_a_number_that_is_no_weekday_is_told():
    with pytest.raises(nsynth.UserError, match="8 is not a weekday"):
        trigger(ScheduleOptions(cron="0 3 * * 8"))


def test_the_hour_that_comes_twice_is_left_again():
    """With APScheduler's own jitter the clock would find each round of the second hour to be past, for ever."""
    due = trigger(ScheduleOptions(cron="*/20 * * * *", timezone="Europe/Berlin"))
    moments = [due.get_next_fire_time(None, utc(2026, 10, 24, 23, 50))]
    for _ in range(6):
        moments.append(due.get_next_fire_time(moments[-1], moments[-1]))
    moments = [moment.astimezone(datetime.UTC) for moment in moments]
    assert [later - earlier for earlier, later in pairwise(moments)] == [datetime.timedelta(minutes=20)] * 6

"""Cron expressions of the cluster's schedules: which are none, and when the others start a run."""

import datetime
import re

import pytest

import nsynth
from kubeflow.cron import check_cron, next_times

SATURDAY = datetime.datetime(2026, 11, 28, 5, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 3 * * *",
        "0 */15 8-18 ? * MON-FRI",
        "30 0,30 3 1,15 jan-jun/2 0",
        "0 0 0 31 12 6",
        "0 5/10 * * * *",
    ],
)
def test_schedules(cron: str) -> None:
    check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * *", "six fields, seconds first"),
        ("", "six fields"),
        ("0 0 3 * * * 2026", "six fields"),
        ("60 0 3 * * *", "seconds is '60'; write *, 0-59,"),
        ("0 0 24 * * *", "hours is '24'"),
        ("0 0 3 0 * *", "day of the month is '0'"),
        ("0 0 3 * 13 *", "month is '13'; write *, 1-12 or JAN-DEC"),
        ("0 0 3 * * 7", "day of the week is '7'; write *, 0-6 or SUN-SAT"),
        ("0 0 3 * * FUNDAY", "FUNDAY"),
        ("0 0 5-3 * * *", "hours is '5-3'"),
        ("0 0 3/0 * * *", "hours is '3/0'"),
        ("0 0 1,,2 * * *", "hours is '1,,2'"),
        ("0 0 -3 * * *", "hours is '-3'"),
    ],
)
def test_schedules_that_never_fire_or_are_none(cron: str, expected: str) -> None:
    with pytest.raises(nsynth.UserError, match=re.escape(expected)):
        check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 0 3 * * *", ["11-29 03:00:00", "11-30 03:00:00", "12-01 03:00:00"]),
        ("0 0 5 * * *", ["11-29 05:00:00", "11-30 05:00:00", "12-01 05:00:00"]),  # not the moment itself
        ("30 */20 5 * * *", ["11-28 05:00:30", "11-28 05:20:30", "11-28 05:40:30"]),
        ("0 50/5 5 * * SAT", ["11-28 05:50:00", "11-28 05:55:00", "12-05 05:50:00"]),
        ("0 0 0 ? DEC MON-TUE", ["12-01 00:00:00", "12-07 00:00:00", "12-08 00:00:00"]),
        ("0 0 0 1 * 0", ["11-29 00:00:00", "12-01 00:00:00", "12-06 00:00:00"]),  # either kind of day
    ],
)
def test_the_next_times(cron: str, expected: list[str]) -> None:
    assert [f"{moment:%m-%d %H:%M:%S}" for moment in next_times(cron, SATURDAY, 3)] == expected


def test_a_day_that_is_rare_or_never_comes() -> None:
    assert [t.year for t in next_times("0 0 0 29 2 *", SATURDAY, 2)] == [2028, 2032]
    assert next_times("0 0 0 31 2 *", SATURDAY, 3) == []

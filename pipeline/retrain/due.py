"""When rounds are due, by a cron expression."""

import datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

import nsynth
from pipeline.retrain.options import ScheduleOptions

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as cron counts them, 0 and 7 alike


def trigger(options: ScheduleOptions) -> CronTrigger:
    """When rounds are due, jitter aside.

    Raises:
      nsynth.UserError: no cron expression.
    """
    *fields, weekday = options.cron.split()
    try:
        return CronTrigger.from_crontab(" ".join([*fields, _by_name(weekday)]), ZoneInfo(options.timezone))
    except ValueError as error:
        raise nsynth.UserError(
            f"retrain.schedule.cron = {options.cron!r}: {error}; write it like 0 3 * * * for every day at 3"
        ) from error


def _by_name(weekday: str) -> str:
    """Return the field with weekdays by name, since APScheduler's 0 is Monday and cron's is Sunday.

    Raises:
      ValueError: a number that is no weekday.
    """
    if not any(character.isdigit() for character in weekday):
        return weekday
    days: list[str] = []
    for part in weekday.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        numbers = range(7) if span == "*" else range(int(first), int(last or first) + 1)
        if not set(numbers) <= set(range(len(_WEEKDAYS))):
            raise ValueError(f"{part} is not a weekday: 0 is Sunday, 6 is Saturday")
        days += [_WEEKDAYS[number] for number in numbers[:: int(step or 1)]]
    return ",".join(days)


def next_round(options: ScheduleOptions, after: datetime.datetime) -> datetime.datetime | None:
    """When the first round after `after` is due, jitter aside; None if never."""
    return trigger(options).get_next_fire_time(None, after)

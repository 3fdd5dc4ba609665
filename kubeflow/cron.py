"""Cron expressions as Kubeflow's schedule controller reads them: six fields, seconds first."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

import nsynth

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_LOOK_AHEAD_DAYS = 8 * 366
"""The 29th of February may be eight years away."""


@dataclass(frozen=True)
class Field:
    """One of the six: its name, least and greatest value, and words for values by their place in the list."""

    name: str
    least: int
    greatest: int
    words: tuple[str, ...] = ()

    def values(self, text: str) -> set[int] | None:
        """Return what the field stands for; None where that cannot be told."""
        found: set[int] = set()
        for item in text.split(","):
            if (part := self._item(item)) is None:
                return None
            found.update(part)
        return found

    def _item(self, item: str) -> range | None:
        """*, ?, a value or a range of values, perhaps with a step; a value with a step goes on to the greatest."""
        span, slash, step = item.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            return None
        if span in ("*", "?"):
            first, last = self.least, self.greatest
        else:
            numbers = [self._number(value) for value in span.split("-")]
            if len(numbers) > 2 or None in numbers:
                return None
            first, last = int(numbers[0] or 0), int(numbers[-1] or 0)
            if not self.least <= first <= last <= self.greatest:
                return None
            if slash and len(numbers) == 1:
                last = self.greatest
        return range(first, last + 1, int(step or 1))

    def _number(self, value: str) -> int | None:
        if value.upper() in self.words:
            return self.words.index(value.upper())
        return int(value) if value.isdecimal() else None


FIELDS = (
    Field("seconds", 0, 59),
    Field("minutes", 0, 59),
    Field("hours", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, ("", *MONTHS)),
    Field("day of the week", 0, 6, tuple(DAYS)),
)


def check_cron(text: str) -> None:
    """Refuse what is no schedule for Kubeflow.

    Raises:
      nsynth.UserError: it has not six fields (crontab's five would be read with the minutes as seconds), or a
        field holds what it cannot.
    """
    _parse(text)


def next_times(text: str, after: datetime.datetime, count: int) -> list[datetime.datetime]:
    """Return the next times at which the schedule starts a run; fewer than `count` if there are no more in eight years.

    Args:
      text: the cron expression.
      after: the moment to start from, in the zone of the schedule.
      count: how many.

    Raises:
      nsynth.UserError: it is no schedule.
    """
    found: list[datetime.datetime] = []
    for moment in _times(text, after):
        if moment > after:
            found.append(moment)
        if len(found) == count:
            break
    return found


def _times(text: str, after: datetime.datetime) -> Iterator[datetime.datetime]:
    seconds, minutes, hours, days, months, weekdays = _parse(text)
    *_, day_text, _, weekday_text = text.split()
    # As in crontab: where both kinds of day are restricted, one of them is enough.
    either = not any(word.startswith(("*", "?")) for word in (day_text, weekday_text))
    for later in range(_LOOK_AHEAD_DAYS):
        day = (after + datetime.timedelta(days=later)).replace(hour=0, minute=0, second=0, microsecond=0)
        fits = (day.day in days, day.isoweekday() % 7 in weekdays)
        if day.month in months and (any(fits) if either else all(fits)):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    for second in sorted(seconds):
                        yield day.replace(hour=hour, minute=minute, second=second)


def _parse(text: str) -> list[set[int]]:
    """Return the values of each field."""
    words = text.split()
    if len(words) != len(FIELDS):
        raise nsynth.UserError(
            f"--cron {text!r}: six fields, seconds first; every night at three is '0 0 3 * * *'"
        )
    parsed = []
    for word, field in zip(words, FIELDS, strict=True):
        values = field.values(word)
        if values is None:
            named = f" or {next(filter(None, field.words))}-{field.words[-1]}" if field.words else ""
            raise nsynth.UserError(
                f"--cron {text!r}: {field.name} is {word!r}; write *, {field.least}-{field.greatest}{named}, "
                "ranges (2-5), steps (*/2) and lists (1,3) of them"
            )
        parsed.append(values)
    return parsed

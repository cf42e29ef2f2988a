"""Half-open ranges of event time, and the calendar arithmetic that numbers them. All times are UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .errors import UsageError

_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MONTHS = {"month": 1, "year": 12}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MONDAY = datetime(1970, 1, 5, tzinfo=timezone.utc)
_TEXT = re.compile(r"^\s*(\d+)\s+(minute|hour|day|week|month|year)s?\s*$")
_FORMATS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True)
class Duration:
    """A length of calendar time, such as `1 month` or `28 days`; months and years keep the day of the month."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Duration:
        """From `<whole number> <minute|hour|day|week|month|year>[s]`. Raises ValueError on anything else."""
        match = _TEXT.match(text)
        if match is None:
            raise ValueError(f"expected a duration such as '1 month', '28 days' or '6 hours', found {text!r}")
        return cls(int(match.group(1)), match.group(2))

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.count} {self.unit}" + ("" if self.count == 1 else "s")

    @property
    def seconds(self) -> float:
        """Its length in seconds; of months and years that of the first ones of 1970."""
        return (self.after(_EPOCH) - _EPOCH).total_seconds()

    def after(self, time: datetime) -> datetime:
        """`time` plus this length; a day that the month lacks becomes the month's last."""
        return self._moved(time, self.count)

    def before(self, time: datetime) -> datetime:
        """`time` less this length."""
        return self._moved(time, -self.count)

    def _moved(self, time: datetime, count: int) -> datetime:
        if self.unit in _UNITS:
            return time + _UNITS[self.unit] * count
        months = time.year * 12 + time.month - 1 + count * _MONTHS[self.unit]
        year, month = divmod(months, 12)
        for day in range(time.day, 27, -1):
            try:
                return time.replace(year=year, month=month + 1, day=day)
            except ValueError:
                continue
        return time.replace(year=year, month=month + 1)

    @property
    def approximate(self) -> timedelta:
        """This length as a fixed one (a month counts 30 days, a year 365), for comparing lengths only."""
        days = {"month": timedelta(days=30), "year": timedelta(days=365)}
        return (_UNITS | days)[self.unit] * self.count


@dataclass(frozen=True, order=True)
class Interval:
    """A half-open range of event time, [start, end), as wide as `width`, counted from the calendar's own marks."""

    start: datetime
    end: datetime
    width: Duration

    @classmethod
    def containing(cls, time: datetime, width: Duration) -> Interval:
        """The interval of this width that holds `time`. Months and years count from January of year 0, weeks from
        a Monday, shorter ones from 1970-01-01T00:00Z."""
        if width.count < 1:
            raise UsageError(f"an interval must be longer than nothing, found '{width}'")
        if width.unit in _MONTHS:
            step = width.count * _MONTHS[width.unit]
            months = (time.year * 12 + time.month - 1) // step * step
            start = datetime(months // 12, months % 12 + 1, 1, tzinfo=timezone.utc)
        else:
            anchor = _MONDAY if width.unit == "week" else _EPOCH
            step_length = _UNITS[width.unit] * width.count
            start = anchor + (time - anchor) // step_length * step_length
        return cls(start, width.after(start), width)

    @classmethod
    def parse(cls, text: str, width: Duration) -> Interval:
        """From the label of its start: `2013-01`, `2013-01-31`, `2013-01-31T06`. Raises UsageError otherwise, or
        when no interval of this width starts there."""
        start = parse_time(text)
        interval = cls.containing(start, width)
        if interval.start != start:
            raise UsageError(
                f"no interval of {width} starts at {text}; the one that holds it is called {interval.label}"
            )
        return interval

    @property
    def label(self) -> str:
        """The start, as short as the width allows: `2013-01` for months, `2013-01-31` for days, ..."""
        formats = {
            "year": "%Y",
            "month": "%Y-%m",
            "week": "%Y-%m-%d",
            "day": "%Y-%m-%d",
            "hour": "%Y-%m-%dT%H",
        }
        return self.start.strftime(formats.get(self.width.unit, "%Y-%m-%dT%H:%M"))

    @property
    def in_paths(self) -> str:
        """The label as part of a path: `2013-01-31T06-30`, since no name of a Hadoop file system may have a colon."""
        return self.label.replace(":", "-")

    def __str__(self) -> str:
        """The label."""
        return self.label

    @property
    def next(self) -> Interval:
        """The one that begins where this ends."""
        return Interval.containing(self.end, self.width)

    @property
    def previous(self) -> Interval:
        """The one that ends where this begins."""
        return Interval.containing(self.start - timedelta(microseconds=1), self.width)

    def back(self, count: int) -> Interval:
        """The interval `count` steps earlier; 0 is this one."""
        interval = self
        for _ in range(count):
            interval = interval.previous
        return interval

    def through(self, last: Interval) -> Iterator[Interval]:
        """This interval and those after it, up to and including `last`."""
        interval = self
        while interval.start <= last.start:
            yield interval
            interval = interval.next

    def overlaps(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether any of it lies in [since, until); None is without a bound."""
        return (until is None or self.start < until) and (since is None or self.end > since)


def parse_time(text: str) -> datetime:
    """A UTC time from `2013`, `2013-01`, `2013-01-31`, `2013-01-31T06`, `...T06:30`. Raises UsageError otherwise."""
    for pattern in _FORMATS:
        try:
            return datetime.strptime(text.strip().removesuffix("Z"), pattern).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    raise UsageError(f"expected a time such as 2013-01 or 2013-01-31T06:00, found {text!r}")

"""When an interval is ready to be lived, and the calendar that says so (cron, systemd, Airflow). All times are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import gcd

from .config import Pipeline
from .interval import Interval

_DAY = timedelta(days=1)
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def delay(pipeline: Pipeline) -> timedelta:
    """How long after its end an interval's rows are all known: the longest `available_after`."""
    spans = (source.available_after.approximate for source in pipeline.sources.values() if not source.static)
    return max(spans, default=timedelta())


def ready_at(pipeline: Pipeline, interval: Interval) -> datetime:
    """When an interval can be lived: at its end, and `delay` later."""
    return interval.end + delay(pipeline)


def latest_ready(pipeline: Pipeline, now: datetime) -> Interval | None:
    """The last of the pipeline's intervals that is ready at `now`; None before the first is."""
    width = pipeline.interval
    last = Interval.containing(now - delay(pipeline), width).previous
    if pipeline.end is not None:
        last = min(last, Interval.containing(pipeline.end, width).previous)
    return last if last.start >= Interval.containing(pipeline.start, width).start else None


def ready(pipeline: Pipeline, now: datetime) -> Iterator[Interval]:
    """The pipeline's intervals that are ready at `now`, oldest first."""
    last = latest_ready(pipeline, now)
    return iter(()) if last is None else Interval.containing(pipeline.start, pipeline.interval).through(last)


@dataclass(frozen=True)
class Calendar:
    """Times of a calendar: those whose every field is among the numbers given; None is any. `weekday`: Sunday is 0."""

    minute: tuple[int, ...] | None
    hour: tuple[int, ...] | None = None
    day: tuple[int, ...] | None = None
    month: tuple[int, ...] | None = None
    weekday: tuple[int, ...] | None = None

    @property
    def cron(self) -> str:
        """The five fields of a cron line."""
        return " ".join(_listed(each) for each in (self.minute, self.hour, self.day, self.month, self.weekday))

    @property
    def quartz(self) -> str:
        """As Databricks' schedules read it: with seconds, days of the week by name, and one kind of day left open."""
        days = ",".join(_WEEKDAYS[day].upper() for day in self.weekday) if self.weekday else "?"
        day = "?" if self.weekday else _listed(self.day)
        return f"0 {_listed(self.minute)} {_listed(self.hour)} {day} {_listed(self.month)} {days}"

    @property
    def systemd(self) -> str:
        """As `OnCalendar=` of a systemd timer reads it."""
        days = ",".join(_WEEKDAYS[day] for day in self.weekday) + " " if self.weekday else ""
        month, day, hour, minute = (_listed(each, 2) for each in (self.month, self.day, self.hour, self.minute))
        return f"{days}*-{month}-{day} {hour}:{minute}:00 UTC"


def calendar(pipeline: Pipeline) -> Calendar:
    """A calendar whose times hold every moment at which an interval becomes ready (to the minute, rounded up). Where a
    calendar can't count the interval (5 days, 7 hours), it has more times than that: then nothing is due at some."""
    width, late = pipeline.interval, delay(pipeline)
    count = width.count
    late = timedelta(minutes=-(-late // timedelta(minutes=1)))
    within, days = late % _DAY, late // _DAY
    minute, hour = within.seconds // 60 % 60, within.seconds // 3600
    if width.unit == "minute":
        return Calendar(_every(60, count, minute))
    if width.unit == "hour":
        return Calendar((minute,), _every(24, count, hour))
    if width.unit in ("month", "year"):
        months = count * (12 if width.unit == "year" else 1)
        if days > 27:  # a day that some months lack: every month, after the last of it
            return Calendar((minute,), (hour,), (1,))
        return Calendar((minute,), (hour,), (1 + days,), _every(12, months, 0, first=1))
    if width.unit == "week":
        return Calendar((minute,), (hour,), weekday=((1 + days) % 7,))
    return Calendar((minute,), (hour,))


def _every(size: int, step: int, offset: int, first: int = 0) -> tuple[int, ...] | None:
    """Of `size` numbers from `first` on, those `step` apart, or as near to that as divides `size`; None for all."""
    step = gcd(size, step)
    return None if step == 1 else tuple(first + offset % step + at for at in range(0, size, step))


def _listed(numbers: Iterable[int] | None, digits: int = 1) -> str:
    return "*" if numbers is None else ",".join(f"{number:0{digits}}" for number in numbers)


def now() -> datetime:
    """This moment."""
    return datetime.now(timezone.utc)

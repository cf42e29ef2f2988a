from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core import pipeline_file, schedule
from perdure.core.config import Pipeline
from perdure.core.interval import Duration, Interval

ROOT = Path(__file__).parents[2]
BUOY = pipeline_file.load(ROOT / "pipelines" / "buoy.yml")
WIDTHS = ("15 minutes", "7 minutes", "1 hour", "6 hours", "7 hours", "1 day", "5 days", "1 week", "2 weeks", "1 month",
          "3 months", "5 months", "1 year", "90 minutes")  # fmt: skip
DELAYS = ("0 days", "20 minutes", "90 minutes", "3 hours", "30 hours", "1 day", "9 days", "40 days")


def pipeline(width: str, late: str, **more: object) -> Pipeline:
    readings = BUOY.sources["readings"].model_copy(update={"available_after": Duration.parse(late)})
    return BUOY.model_copy(
        update={"interval": Duration.parse(width), "sources": {**BUOY.sources, "readings": readings}, **more}
    )


def matches(calendar: schedule.Calendar, time: datetime) -> bool:
    """As cron matches a time."""
    fields = {"minute": time.minute, "hour": time.hour, "day": time.day, "month": time.month,
              "weekday": time.isoweekday() % 7}  # fmt: skip
    return all(getattr(calendar, name) is None or value in getattr(calendar, name) for name, value in fields.items())


@given(st.datetimes(datetime(2001, 1, 1), datetime(2039, 1, 1), timezones=st.just(timezone.utc)),  # noqa: DTZ001
       st.sampled_from(WIDTHS), st.sampled_from(DELAYS))  # fmt: skip
def test_every_interval_has_its_time_in_the_calendar(time: datetime, width: str, late: str) -> None:
    life = pipeline(width, late)
    ready = schedule.ready_at(life, Interval.containing(time, life.interval))
    found = schedule.calendar(life)
    if life.interval.unit in ("month", "year") and late == "40 days":  # that day isn't in every month
        assert any(matches(found, ready + timedelta(hours=hours)) for hours in range(31 * 24))
    else:
        assert matches(found, ready)


@pytest.mark.parametrize(("width", "late", "cron", "systemd"), [
    ("1 month", "1 day", "0 0 2 * *", "*-*-02 00:00:00 UTC"),
    ("1 day", "3 hours", "0 3 * * *", "*-*-* 03:00:00 UTC"),
    ("1 day", "30 hours", "0 6 * * *", "*-*-* 06:00:00 UTC"),
    ("3 months", "0 days", "0 0 1 1,4,7,10 *", "*-01,04,07,10-01 00:00:00 UTC"),
    ("1 week", "1 day", "0 0 * * 2", "Tue *-*-* 00:00:00 UTC"),
    ("6 hours", "90 minutes", "30 1,7,13,19 * * *", "*-*-* 01,07,13,19:30:00 UTC"),
    ("15 minutes", "20 minutes", "5,20,35,50 * * * *", "*-*-* *:05,20,35,50:00 UTC"),
    ("1 year", "9 days", "0 0 10 1 *", "*-01-10 00:00:00 UTC"),
    ("5 days", "0 days", "0 0 * * *", "*-*-* 00:00:00 UTC"),
])  # fmt: skip
def test_as_cron_and_systemd_write_it(width: str, late: str, cron: str, systemd: str) -> None:
    sources = pipeline(width, late).sources
    life = pipeline(width, late, sources={"readings": sources["readings"]})
    assert schedule.calendar(life).cron == cron
    assert schedule.calendar(life).systemd == systemd


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("width", WIDTHS)
def test_systemd_reads_it(width: str) -> None:
    text = schedule.calendar(pipeline(width, "90 minutes")).systemd
    subprocess.run(["systemd-analyze", "calendar", text], check=True, capture_output=True)


def test_an_interval_is_ready_when_its_last_rows_are_known() -> None:
    life = pipeline("1 day", "3 hours", start=_at("2016-06-15T00"), end=_at("2016-06-18T00"))
    assert schedule.latest_ready(life, _at("2016-06-16T02")) is None
    assert [str(each) for each in schedule.ready(life, _at("2016-06-16T02"))] == []
    assert str(schedule.latest_ready(life, _at("2016-06-16T03"))) == "2016-06-15"
    assert [str(each) for each in schedule.ready(life, _at("2026-01-01T00"))] == [
        "2016-06-15", "2016-06-16", "2016-06-17",
    ]  # fmt: skip


def _at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")

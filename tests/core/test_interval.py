from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import UsageError
from perdure.core.interval import Duration, Interval, parse_time

WIDTHS = [
    Duration.parse(text) for text in ("1 month", "3 months", "1 day", "2 weeks", "6 hours", "15 minutes", "1 year")
]
times = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001


@given(times, st.sampled_from(WIDTHS))
def test_every_moment_lies_in_exactly_its_interval(time: datetime, width: Duration) -> None:
    interval = Interval.containing(time, width)
    assert interval.start <= time < interval.end
    assert Interval.containing(interval.start, width) == interval
    assert interval.next.start == interval.end
    assert interval.next.previous == interval
    assert interval.previous.end == interval.start


@given(times, st.sampled_from(WIDTHS))
def test_labels_read_back(time: datetime, width: Duration) -> None:
    interval = Interval.containing(time, width)
    assert Interval.parse(interval.label, width) == interval


def test_a_label_inside_an_interval_names_the_right_one() -> None:
    with pytest.raises(UsageError, match="called 2013-01"):
        Interval.parse("2013-01-05", Duration.parse("1 month"))


def test_months_keep_the_day_or_take_the_last() -> None:
    assert Duration.parse("1 month").after(parse_time("2013-01-31")) == parse_time("2013-02-28")
    assert Duration.parse("1 month").before(parse_time("2012-03-31")) == parse_time("2012-02-29")


def test_through_counts_both_ends() -> None:
    width = Duration.parse("1 month")
    labels = [str(i) for i in Interval.parse("2013-11", width).through(Interval.parse("2014-02", width))]
    assert labels == ["2013-11", "2013-12", "2014-01", "2014-02"]


@pytest.mark.parametrize("text", ["", "month", "1.5 days", "-1 day", "1 fortnight"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Duration.parse(text)


def test_half_open_overlap() -> None:
    interval = Interval.parse("2013-02", Duration.parse("1 month"))
    assert interval.overlaps(parse_time("2013-02-28T23"), None)
    assert not interval.overlaps(parse_time("2013-03"), None)
    assert not interval.overlaps(None, parse_time("2013-02"))

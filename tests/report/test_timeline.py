from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perdure.report.timeline import Timeline


def days(count: int) -> list[str]:
    return [(date(2020, 1, 1) + timedelta(days=n)).isoformat() for n in range(count)]


@given(st.integers(0, 900), st.integers(1, 80))
def test_any_history_fits_and_no_interval_is_lost(count: int, limit: int) -> None:
    labels = days(count)
    timeline = Timeline(reversed(labels), limit)
    assert len(timeline.periods) <= limit
    found = [timeline.index(label) for label in labels]
    assert None not in found
    assert found == sorted(n for n in found if n is not None)
    if labels:
        assert (timeline.periods[0].first, timeline.periods[-1].last) == (labels[0], labels[-1])
        assert found.count(len(timeline.periods) - 1) == min(timeline.size, count), "the latest period is a full one"


def test_short_histories_are_shown_as_they_are() -> None:
    timeline = Timeline(["2013-02", "2013-01", "2013-02", "", "static"])
    assert [(period.first, period.last) for period in timeline.periods] == [
        ("2013-01", "2013-01"),
        ("2013-02", "2013-02"),
    ]


def test_a_moment_without_an_interval_goes_to_the_next_period() -> None:
    timeline = Timeline(["2013-01", "2013-03"])
    assert (timeline.index("2013-02"), timeline.index_from("2013-02"), timeline.index_from("2013-09")) == (None, 1, 2)

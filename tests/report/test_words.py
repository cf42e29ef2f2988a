from __future__ import annotations

import pytest

from perdure.core import registry
from perdure.report import words


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("2013", "2013"),
        ("2013-04", "Apr 2013"),
        ("2013-04-03", "3 Apr 2013"),
        ("2013-04-03T06", "3 Apr 2013, 06:00"),
        ("2013-04-03T06:30", "3 Apr 2013, 06:30"),
        ("", "once"),
        ("2013-99", "2013-99"),
        ("<b>", "<b>"),
    ],
)
def test_labels_read_as_dates_and_others_stay(label: str, text: str) -> None:
    assert words.period(label) == text


def test_a_range_of_labels() -> None:
    assert words.period("2013-01", "2013-03") == "Jan 2013 – Mar 2013"
    assert words.period("2013-01", "2013-01") == "Jan 2013"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (9999, "9,999"), (27004, "27.0k"), (336776, "337k"), (999_600, "1.00M"), (2.5e9, "2.50G")],
)
def test_compact_counts(value: float | None, text: str) -> None:
    assert words.compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (0.51249, "0.512"), (-0.5, "-0.500"), (12.345, "12.35"), (123.456, "123.5"),
     (12345.6, "12,346")],
)  # fmt: skip
def test_figures(value: float | None, text: str) -> None:
    assert words.figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0%"), (0.0002, "< 0.1%"), (0.004, "0.4%"), (0.05, "5%"), (0.123, "12%"), (0.9999, "> 99.9%"),
     (1, "100%")],
)  # fmt: skip
def test_shares_never_round_something_to_nothing_or_all(value: float | None, text: str) -> None:
    assert words.share(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (42, "42 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3840, "1 h 4 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_moments_are_utc_whatever_their_offset() -> None:
    assert words.moment("2026-11-23T12:44:00+02:00") == "23 Nov 2026, 10:44 UTC"
    assert words.moment("yesterday") == "yesterday"


def test_lists() -> None:
    assert [words.listed(["a", "b", "c"][:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_losses_and_errors_are_smaller_when_better() -> None:
    assert all(words.smaller_is_better(name) for name in ("log_loss", "rmse", "brier", "mape", "my_error"))
    assert not any(words.smaller_is_better(name) for name in ("area_under_roc", "r2", "f1"))


def test_an_axis_label_has_two_lines() -> None:
    assert words.short("2013-04") == ("Apr", "2013")
    assert words.short("2013-04-03") == ("3 Apr", "2013")
    assert words.short("2013-04-03T06") == ("06:00", "3 Apr")


def test_periods_take_the_word_that_goes_before_them() -> None:
    assert words.when("2013-04") == "in Apr 2013"
    assert words.when("2013-04-03") == "on 3 Apr 2013"
    assert words.when("2013-01", "2013-03") == "over Jan 2013 – Mar 2013"


def test_every_metric_and_statistic_is_explained() -> None:
    named = {*registry.names("perdure.evaluation.metrics"), *registry.names("perdure.drift")}
    assert named - set(words.TERMS) == set()

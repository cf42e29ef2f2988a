"""Unusual intervals: what changed is found, and what didn't is left alone as often as is promised. No Spark."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from perdure.core.interval import Duration
from perdure.profile.profile import Column, ColumnProfile, Profile
from perdure.quality.unusual import LEAST, Measure, among, expected, measures, of_source, season_of, unusual, usual

ZERO = Profile(
    {
        "price": ColumnProfile.start(Column("double", "numeric", edges=(0.0, 50.0, 100.0))),
        "shop": ColumnProfile.start(Column("string", "categorical", names=("a", "b"))),
    }
)


def day(rng: np.random.Generator, rows: int = 500, nulls: float = 0.1, mean: float = 50, new: float = 0.0) -> Profile:
    """One day's profile; its true level wanders a little from day to day, as real ones do."""
    size = int(rng.poisson(rows * math.exp(rng.normal(0, 0.05))))
    share = nulls * math.exp(rng.normal(0, 0.1))
    price = np.round(rng.normal(mean + rng.normal(0, 0.5), 10, size), 1)
    shop = rng.choice(["a", "b"], size).astype(object)
    shop[rng.random(size) < new] = "c"
    missing = rng.random(size) < share
    return ZERO.add(pa.table({"price": pa.array(price, mask=missing), "shop": pa.array(shop, pa.string())}))


@pytest.fixture(scope="module")
def history() -> list[Profile]:
    rng = np.random.default_rng(1)
    return [day(rng) for _ in range(20)]


CHANGES: list[tuple[Callable[..., Profile], str, str]] = [
    (partial(day, rows=250), "", "rows"),
    (partial(day, nulls=0.4), "price", "share of nulls"),
    (partial(day, nulls=0.0), "price", "share of nulls"),
    (partial(day, mean=60), "price", "mean"),
    (partial(day, new=0.05), "shop", "rows in new categories"),
]


@pytest.mark.parametrize(("changed", "column", "measure"), CHANGES)
def test_what_changed_is_found(
    history: list[Profile], changed: Callable[..., Profile], column: str, measure: str
) -> None:
    found = unusual(history, changed(np.random.default_rng(2)))
    assert [one.chance for one in found] == sorted(one.chance for one in found)
    (first,) = (one for one in found if (one.column, one.measure) == (column, measure))
    assert not first.low <= first.value <= first.high
    assert 0 <= first.chance <= 0.01
    assert f"{measure} is " in str(first)


def test_too_little_history_says_nothing(history: list[Profile]) -> None:
    assert unusual(history[: LEAST - 1], day(np.random.default_rng(3), rows=5)) == []


def test_of_unchanged_intervals_no_more_than_promised_are_called_unusual() -> None:
    rng, called, tried = np.random.default_rng(4), 0, 150
    for _ in range(tried):
        days = [day(rng) for _ in range(LEAST + 2)]
        called += bool(unusual(days[:-1], days[-1], false_alarms=0.1))
    assert called <= 0.1 * tried + 3 * math.sqrt(tried * 0.1 * 0.9)


@pytest.mark.parametrize("false_alarms", [0.1, 0.01])
@pytest.mark.parametrize(("trend", "season", "count"), [(0.0, None, 8), (0.3, None, 20), (0.0, 7, 21), (0.1, 7, 35)])
def test_the_rate_is_the_stated_one(false_alarms: float, trend: float, season: int | None, count: int) -> None:
    rng, tried = np.random.default_rng(5), 3000
    levels = np.arange(count + 1) * trend + (np.arange(count + 1) % (season or 1)) * 2
    series = levels + rng.normal(0, 1, (tried, count + 1))
    called = sum(expected(one[:-1], one[-1], 0, false_alarms, season)[2] <= false_alarms for one in series)
    assert called / tried == pytest.approx(false_alarms, abs=4 * math.sqrt(false_alarms / tried))


def test_a_season_is_expected_where_there_is_enough_of_it() -> None:
    rng = np.random.default_rng(6)
    past = [100.0 * (at % 7 >= 5) + rng.normal(0, 1) for at in range(28)]
    assert expected(past, 0.0, 0, season=7)[2] > 0.01
    assert expected(past, 100.0, 0, season=7)[2] < 0.001
    assert expected(past, 100.0, 0)[2] > 0.01


def test_a_value_that_never_moved_may_move_by_its_noise_alone() -> None:
    low, high, chance = expected([1.0] * 10, 1.1, noise=0.1)
    assert low < 1.1 < high
    assert chance > 0.01
    assert expected([1.0] * 10, 2.5, noise=0.1)[2] < 0.01


def test_measures_are_stored_and_come_back(history: list[Profile]) -> None:
    found = measures(history[:-1], history[-1])
    stored = json.loads(json.dumps([one.to_list() for one in found], allow_nan=False))
    for before, after in zip(found, map(Measure.from_list, stored), strict=True):
        assert (after.column, after.name, after.upward) == (before.column, before.name, before.upward)
        assert after.even == pytest.approx(before.even, rel=1e-8)
        assert after.back(after.even) == pytest.approx(before.back(before.even), rel=1e-6)


def test_a_source_is_measured_by_what_its_suite_has_counted() -> None:
    result = {"results": [
        {"expectation_config": {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}},
         "result": {"element_count": 200, "unexpected_count": 50}},
        {"expectation_config": {"type": "expect_column_values_to_be_between", "kwargs": {"column": "b"}},
         "result": {"element_count": 200, "missing_count": 20, "unexpected_count": 7}},
        {"expectation_config": {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "b"}},
         "result": {"observed_value": 4.5}},
        {"expectation_config": {"type": "expect_table_row_count_to_be_between", "kwargs": {}},
         "result": {"observed_value": 200}},
        {"expectation_config": {"type": "expect_column_max_to_be_between", "kwargs": {"column": "gone"}},
         "result": {}, "exception_info": {"raised_exception": True}}]}
    found = {(one.column, one.name): one.value for one in of_source(200, 4, result)}
    assert found == {("", "rows"): 200, ("", "share of quarantined rows"): 0.02, ("a", "share of nulls"): 0.25,
                     ("b", "share of nulls"): 0.1, ("b", "mean"): 4.5}
    assert [one.name for one in of_source(0, 0, None)] == ["rows"]


def test_the_unusual_is_no_history_until_it_lasts() -> None:
    rows = [[Measure("", "rows", value, math.log1p(value), 0.01)] for value in (100, 101, 99, 100, 500, 100)]
    once = [(each, [("", "rows")] if at == 4 else []) for at, each in enumerate(rows)]
    assert [len(each) for each in usual(once)] == [1, 1, 1, 1, 0, 1]
    lasting = [(each, [("", "rows")] if at >= 3 else []) for at, each in enumerate(rows)]
    assert [len(each) for each in usual(lasting)] == [1] * 6


def test_of_measures_that_are_new_nothing_is_said() -> None:
    history = [[Measure("", "rows", 100, 4.6, 0.1)]] * 10
    fresh = [Measure("", "rows", 100, 4.6, 0.1), Measure("x", "mean", 1e9, 1e9, 0.0)]
    assert among(history, fresh) == []


@pytest.mark.parametrize(("interval", "season"), [("1 day", 7), ("1 month", 12), ("1 hour", 24), ("6 hours", 4),
                                                  ("5 hours", None), ("1 year", None), ("12 months", None)])
def test_the_season_of_an_interval(interval: str, season: int | None) -> None:
    assert season_of(Duration.parse(interval)) == season

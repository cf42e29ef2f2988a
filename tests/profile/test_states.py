"""The laws, over every registered state; then what each state's numbers must be."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.profile._exact import sums
from perdure.profile.categories import Categories
from perdure.profile.counts import Counts
from perdure.profile.distinct import Distinct
from perdure.profile.extremes import Extremes
from perdure.profile.histogram import Histogram
from perdure.profile.lengths import Lengths
from perdure.profile.moments import Moments
from perdure.profile.profile import members
from perdure.testing import states

CASES = [(name, column, zero) for name in members() for column, zero in states.starts(name)]


@pytest.mark.parametrize(("name", "column", "zero"), CASES, ids=[f"{c[0]}-{c[1].data_type}" for c in CASES])
@settings(max_examples=40)
@given(data=st.data())
def test_laws(name: str, column: Any, zero: Any, data: st.DataObject) -> None:
    states.check(column, zero, data.draw(states.batches(column)))


@pytest.mark.parametrize("name", list(members()))
def test_every_state_has_a_column_and_its_own_name(name: str) -> None:
    assert states.starts(name)
    assert all(zero.to_dict()["kind"] == name for _, zero in states.starts(name))


def test_laws_find_a_state_that_depends_on_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counts, "__add__", lambda self, other: other)
    with pytest.raises(AssertionError, match="zero changes nothing"):
        states.check(states.COLUMNS[0], Counts(), [pa.array([1.0] * n) for n in (1, 2, 3)])


def test_counts() -> None:
    found = Counts().add(pa.array([0.0, -0.0, None, math.nan, math.inf, -math.inf, 3.0]))
    assert found == Counts(rows=7, nulls=1, zeros=2, nans=1, infinities=2)
    assert Counts().add(pa.array([0, 1, None])) == Counts(rows=3, nulls=1, zeros=1)
    assert Counts().add(pa.array(["", None])) == Counts(rows=2, nulls=1)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
def test_sums_are_exact(values: list[float]) -> None:
    from fractions import Fraction

    total, squares = sums(np.array(values))
    assert total.fraction() == sum(map(Fraction, values))
    assert squares.fraction() == sum(Fraction(value) ** 2 for value in values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_moments_equal_the_standard_library(values: list[float]) -> None:
    found = Moments().add(pa.array(values, pa.float64()))
    assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-300)
    assert found.deviation == pytest.approx(statistics.stdev(values), rel=1e-12, abs=1e-300)


def test_moments_far_from_zero_lose_nothing() -> None:
    assert Moments().add(pa.array([1e9 + 1, 1e9 + 2, 1e9 + 3])).deviation == 1.0
    assert Moments().add(pa.array([1e16, 1.0, -1e16])).mean == 1 / 3
    huge = Moments().add(pa.array([1.7e308, -1.7e308]))
    assert (huge.mean, huge.deviation) == (0.0, math.inf)
    assert Moments().add(pa.array([1e200, -1e200])).deviation == pytest.approx(math.sqrt(2) * 1e200)
    assert (Moments().mean, Moments().add(pa.array([1.0])).deviation) == (None, None)


def test_extremes_leave_out_what_is_not_finite() -> None:
    assert Extremes().add(pa.array([3, 1, None])) == Extremes(1.0, 3.0)
    assert Extremes().add(pa.array([math.nan, -math.inf, 2.0])) == Extremes(2.0, 2.0)


def test_histogram_cells_are_closed_below() -> None:
    found = Histogram((0.0, 1.0, 2.0)).add(
        pa.array([-0.1, 0.0, 0.5, 1.0, 2.0, 9.0, math.inf, -math.inf, math.nan, None])
    )
    assert found.counts == (2, 2, 1, 3)


def test_histogram_quantile_is_straight_between_edges() -> None:
    found = Histogram((0.0, 10.0), (0, 10, 0))
    assert [found.quantile(share, 0, 10) for share in (0, 0.25, 1)] == [0, 2.5, 10]
    assert found.zero().quantile(0.5, 0, 10) is None


@pytest.mark.parametrize("edges", [(), (1.0, 1.0), (2.0, 1.0), (math.nan,), (0.0, math.inf)])
def test_histogram_edges_must_rise(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="strictly rising"):
        Histogram(edges)


def test_categories_are_exact_until_there_are_too_many() -> None:
    few = Categories(("a",), limit=2).add(pa.array(["a", "x", "y", "y", None]))
    assert (few.counts, few.other, few.full) == ({"a": 1, "x": 1, "y": 2}, 0, False)
    full = few.add(pa.array(["z", "a"]))
    assert (full.counts, full.other, full.full) == ({"a": 2}, 4, True)
    assert full.add(pa.array(["x"])).other == 5
    assert full.total == 6
    assert few.frequent(2) == [("y", 2), ("a", 1)]
    assert Categories().add(pa.array([True, None, False, True])).counts == {"true": 2, "false": 1}


def test_lengths_count_characters() -> None:
    found = Lengths().add(pa.array(["ß", "abc", "", None]))
    assert found == Lengths(count=3, total=4, shortest=0, longest=3)
    assert (found.mean, Lengths().mean) == (4 / 3, None)


@pytest.mark.parametrize("many", [0, 1, 100, 3_000, 200_000])
def test_distinct_is_near(many: int) -> None:
    numbers = Distinct().add(pa.array(np.arange(many, dtype=float) / 7))
    texts = Distinct().add(pa.array([f"key-{i}" for i in range(many)], pa.string()))
    for found in (numbers, texts):
        assert found.estimate == pytest.approx(many, rel=0.07)  # three standard errors
    assert (numbers + numbers).estimate == numbers.estimate


def test_weighted_sums_are_exact() -> None:
    random = np.random.default_rng(6)
    whole, near = random.integers(-50, 50, 30).astype(float), random.normal(0, 1, 30)
    far = random.uniform(-200, 150, 30)
    for values in (whole, near, 10.0**far):
        counts = random.integers(1, 2**20, 30)
        total, squares = sums(values, counts)
        exact = [Fraction(value) for value in values.tolist()]
        assert total.fraction() == sum(value * int(n) for value, n in zip(exact, counts, strict=True))
        assert squares.fraction() == sum(value**2 * int(n) for value, n in zip(exact, counts, strict=True))
    assert sums(np.empty(0), np.empty(0, np.int64)) == sums(np.empty(0))

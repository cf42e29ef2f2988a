"""Thresholds against the plain way: try every one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.evaluation import thresholds

from .test_measure import tally

Rows = list[tuple[float, bool]]
rows = st.lists(st.tuples(st.integers(1, 99).map(lambda n: n / 100), st.booleans()), min_size=1, max_size=60)
costs = st.integers(1, 9).map(float)


def split(drawn: Rows) -> tuple[Any, Any]:
    p, y = zip(*drawn, strict=True)
    return np.array(p), np.array(y, dtype=float)


@given(rows, costs, costs)
def test_no_threshold_is_cheaper(drawn: Rows, false_positive: float, false_negative: float) -> None:
    p, y = split(drawn)

    def price(threshold: float) -> float:
        yes = p > threshold
        return float((false_positive * (yes & (y == 0)) + false_negative * (~yes & (y == 1))).sum())

    whole = tally(p, y, p)
    found = thresholds.cheapest(whole, false_positive, false_negative)
    assert price(found) == pytest.approx(min(price(each) for each in [0.0, *p]))
    told = thresholds.cost(thresholds.decided(whole, found), false_positive, false_negative)
    assert told == pytest.approx(price(found) / len(p))


@given(rows, st.integers(0, 20).map(lambda n: n / 20), st.sampled_from(["selection_rate", "true_positive_rate"]))
def test_no_threshold_comes_nearer(drawn: Rows, wanted: float, name: Any) -> None:
    p, y = split(drawn)
    of = p if name == "selection_rate" else p[y == 1]
    whole = tally(p, y, p)
    found = thresholds.matching(whole, name, wanted)
    if not len(of):
        assert found is None
        assert thresholds.rate(whole, name, 0.5) is None
        return
    assert found is not None
    assert thresholds.rate(whole, name, found) == pytest.approx((of > found).mean())
    assert abs((of > found).mean() - wanted) <= min(abs((of > each).mean() - wanted) for each in [0.0, *p]) + 1e-9


def test_of_equals_the_one_that_the_costs_call_for() -> None:
    y = np.array([0.0, 1.0])
    assert thresholds.cheapest(tally([1, 2], y, np.array([0.02, 0.98])), 1, 9) == pytest.approx(0.5)
    p = np.random.default_rng(4).uniform(0.01, 0.99, 20_000)
    drawn = (np.random.default_rng(5).uniform(size=p.size) < p).astype(float)
    assert thresholds.cheapest(tally(p, drawn, p), 1, 4) == pytest.approx(0.2, abs=0.03)

"""Attributions against the formula, by hand and by scikit-learn's figures. No Spark."""

from __future__ import annotations

import math

import pytest

from perdure.drift.attributions import LOW, facts, gain


def test_the_gain_is_that_of_the_formula() -> None:
    then = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert gain(then, {"a": 9.0, "b": 8.0, "c": 7.0}) == 1.0
    best = 3 + 2 / math.log2(3) + 1 / 2
    assert gain(then, {"a": 1.0, "b": 2.0, "c": 3.0}) == pytest.approx((1 + 2 / math.log2(3) + 3 / 2) / best)
    # sklearn.metrics.ndcg_score([[3, 2, 1, 0]], [[0.1, 0.2, 0.3, 0.4]]) of scikit-learn 1.9
    assert gain(then, {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}) == pytest.approx(0.6138273, abs=1e-6)
    assert gain({"a": 0.0}, {"a": 1.0}) is None
    assert gain({}, {}) is None


def test_what_is_recorded_says_which_feature_matters_more_now() -> None:
    found = facts({"a": 8.0, "b": 1.0, "c": 1.0}, {"a": 0.1, "b": 8.9, "c": 1.0})
    assert found["drifted"]
    assert found["gain"] < LOW
    assert list(found["columns"]) == ["a", "b", "c"]
    assert found["columns"]["a"] == [0.8, 0.01]
    same = facts({"a": 8.0, "b": 2.0}, {"a": 4.0, "b": 1.0})
    assert (same["gain"], same["drifted"], same["columns"]["a"]) == (1.0, False, [0.8, 0.8])

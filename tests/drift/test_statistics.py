"""The laws, over every registered statistic; equality with the reference implementations on shared bins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from perdure.drift import _cells
from perdure.drift.compare import members
from perdure.profile.profile import Column, ColumnProfile
from perdure.testing import statistics

CASES = [(name, kind) for name, module in members().items() for kind in sorted(module.applies_to)]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "numeric": st.one_of(st.floats(-8, 8), st.integers(-6, 6).map(float)),
    "categorical": st.sampled_from(["a", "b", "c", "new", "newer"]),
}


@pytest.mark.parametrize(("name", "kind"), CASES)
@settings(max_examples=40)
@given(data=st.data())
def test_laws(name: str, kind: str, data: st.DataObject) -> None:
    sides = (data.draw(st.lists(VALUES[kind], min_size=1, max_size=50)) for _ in range(2))
    statistics.check(name, kind, *(statistics.profile(side, kind) for side in sides))


@pytest.mark.parametrize("name", list(members()))
def test_says_which_columns_it_is_for(name: str) -> None:
    assert members()[name].applies_to


def whole_numbers(seed: int, many: int, shift: float = 0) -> list[float]:
    """Values of which each has its own cell, so that nothing is lost in the profile."""
    draws = np.random.default_rng(seed).normal(shift, 2, many)
    return [float(value) for value in np.clip(np.rint(draws), -5, 4)]


@pytest.mark.parametrize("shift", [0.0, 0.4, 3.0])
def test_ks_equals_scipy(shift: float) -> None:
    ours, theirs = whole_numbers(1, 400), whole_numbers(2, 900, shift)
    expected = stats.ks_2samp(ours, theirs, method="asymp")
    sides = statistics.profile(ours, "numeric"), statistics.profile(theirs, "numeric")
    assert members()["ks_test"].statistic(*sides) == pytest.approx(expected.statistic, abs=1e-12)
    assert members()["ks_test"].pvalue(*sides) == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.4, 3.0])
def test_wasserstein_equals_scipy(shift: float) -> None:
    ours, theirs = whole_numbers(1, 400), whole_numbers(2, 900, shift)
    expected = stats.wasserstein_distance(ours, theirs)
    sides = statistics.profile(ours, "numeric"), statistics.profile(theirs, "numeric")
    assert members()["wasserstein_distance"].statistic(*sides) == pytest.approx(expected, abs=1e-12)
    normed = members()["normed_wasserstein_distance"].statistic(*sides)
    assert normed == pytest.approx(expected / np.std(ours, ddof=1), abs=1e-12)


@pytest.mark.parametrize("current", [["a"] * 30 + ["b"] * 70, ["a"] * 5 + ["c"] * 9 + ["new"] * 6])
def test_categorical_statistics_equal_scipy(current: list[str]) -> None:
    reference = ["a"] * 40 + ["b"] * 40 + ["c"] * 20
    order = sorted({*reference, *current})
    table = np.array([[side.count(name) for name in order] for side in (reference, current)])
    p, q = table / table.sum(axis=1, keepdims=True)
    sides = statistics.profile(reference, "categorical"), statistics.profile(current, "categorical")
    expected = stats.chi2_contingency(table, correction=False)
    found = {name: module.statistic(*sides) for name, module in members().items() if "categorical" in module.applies_to}
    p_floor, q_floor = (np.where(side == 0, 1e-4, side) for side in (p, q))
    assert found == pytest.approx(
        {
            "chi_squared_test": expected.statistic,
            "hellinger_distance": math.sqrt(1 - np.sqrt(p * q).sum()),
            "js_distance": jensenshannon(p, q, base=2),
            "kl_divergence": stats.entropy(p_floor, q_floor),
            "l_infinity_distance": np.abs(p - q).max(),
            "population_stability_index": stats.entropy(q_floor, p_floor) * q_floor.sum()
            + stats.entropy(p_floor, q_floor)
            if 0 not in p and 0 not in q
            else ((q_floor - p_floor) * np.log(q_floor / p_floor)).sum(),
            "tv_distance": np.abs(p - q).sum() / 2,
        }
    )
    assert members()["chi_squared_test"].pvalue(*sides) == pytest.approx(expected.pvalue, rel=1e-9)


def continuous(values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> ColumnProfile:
    return ColumnProfile.start(Column("double", "numeric", edges=tuple(edges.tolist()))).add(pa.array(values))


@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0])
def test_quantile_cells_come_near_the_exact_statistics(shift: float) -> None:
    random = np.random.default_rng(3)
    ours, theirs = random.normal(0, 1, 20_000), random.normal(shift, 1.2, 15_000)
    edges = np.unique([*np.quantile(ours, np.arange(100) / 100), np.nextafter(ours.max(), np.inf)])
    sides = continuous(ours, edges), continuous(theirs, edges)
    exact = stats.ks_2samp(ours, theirs).statistic
    assert exact - 0.011 <= members()["ks_test"].statistic(*sides) <= exact
    near = members()["wasserstein_distance"].statistic(*sides)
    assert near == pytest.approx(stats.wasserstein_distance(ours, theirs), rel=0.05, abs=0.02)


def test_many_cells_are_read_as_deciles() -> None:
    random = np.random.default_rng(4)
    ours, theirs = random.normal(0, 1, 10_000), random.normal(0.3, 1, 5_000)
    edges = np.quantile(ours, np.arange(100) / 100)
    found = _cells.shares(continuous(ours, edges), continuous(theirs, edges))
    assert found is not None
    inner = np.quantile(ours, np.arange(1, 10) / 10)
    expected = [np.bincount(np.searchsorted(inner, side, side="right")) / len(side) for side in (ours, theirs)]
    assert found[0] == pytest.approx(expected[0], abs=1e-3)
    assert found[1] == pytest.approx(expected[1], abs=1e-3)
    psi = members()["population_stability_index"].statistic(continuous(ours, edges), continuous(theirs, edges))
    assert psi == pytest.approx(((expected[1] - expected[0]) * np.log(expected[1] / expected[0])).sum(), abs=2e-3)


def test_other_edges_do_not_compare() -> None:
    other = ColumnProfile.start(Column("double", "numeric", edges=(0.0,))).add(pa.array([1.0]))
    with pytest.raises(ValueError, match="same edges"):
        members()["ks_test"].statistic(statistics.profile([1.0], "numeric"), other)
    names = ColumnProfile.start(Column("string", "categorical", names=("z",))).add(pa.array(["a"]))
    with pytest.raises(ValueError, match="same names"):
        members()["tv_distance"].statistic(statistics.profile(["a"], "categorical"), names)


def test_new_categories_count_together_once_there_are_too_many() -> None:
    many = [f"n{i}" for i in range(150)]
    sides = statistics.profile(["a", "few"], "categorical"), statistics.profile(many, "categorical")
    assert members()["tv_distance"].statistic(*sides) == 0.5  # 'few' and the new ones are both 'other'


def test_laws_find_a_wrong_statistic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members()["tv_distance"], "statistic", lambda reference, current: 0.3)
    with pytest.raises(AssertionError, match="must be None"):
        statistics.check("tv_distance", "categorical", *[statistics.profile(["a"], "categorical")] * 2)

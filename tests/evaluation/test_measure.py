"""The arithmetic after the Spark pass: no Spark here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from perdure.core import registry
from perdure.core.errors import UsageError
from perdure.evaluation import measure
from perdure.evaluation.tally import Estimate, Moments, Tally

ALL = registry.names("perdure.evaluation.metrics")


def tally(bins: Any, y: Any, p: Any) -> Tally:
    """A tally of rows by hand: `bins` are any numbers in the order of p."""
    bins, y, p = (np.asarray(values, float) for values in (bins, y, p))
    groups = [bins == value for value in np.unique(bins)]

    def moments(values: Any) -> Any:
        return np.array([values[g].mean() for g in groups]), np.array([values[g].var() for g in groups])

    losses = {"log_loss": -np.log(np.where(y == 1, p, 1 - p)), "brier": (p - y) ** 2,
              "accuracy": ((p > 0.5) == (y == 1)).astype(float)}
    return Tally("m", None, None, len(y), len(y), np.array([p[g].mean() > 0.5 for g in groups]),
                 np.array([float(g.sum()) for g in groups]), moments(y), moments(p)[0],
                 {name: moments(values) for name, values in losses.items()}, {})


@pytest.fixture
def rows() -> tuple[Any, Any]:
    chance = np.random.default_rng(3)
    p = chance.uniform(0.02, 0.98, 900)
    return (chance.uniform(size=p.size) < p).astype(float), p


@pytest.mark.parametrize("name", ALL)
def test_every_metric_declares_itself(name: str) -> None:
    module = registry.load("perdure.evaluation.metrics", name)
    assert set(module.tasks) <= {"binary", "multiclass", "regression"}
    assert module.tasks
    assert module.direction in ("lower", "higher")
    assert callable(module.measure)


def test_names_are_checked() -> None:
    assert measure.names("regression") == ["mae", "mape", "mse", "r2", "rmse"]
    with pytest.raises(UsageError, match="did you mean 'log_loss'"):
        measure.metric("logloss", "binary")
    with pytest.raises(UsageError, match="'rmse' is for regression, not binary; for binary there are: accuracy"):
        measure.metric("rmse", "binary")


def test_the_bounds_hold_for_coarse_bins(rows: tuple[Any, Any]) -> None:
    y, p = rows
    exact = measure.measure(tally(p, y, p), "binary")
    for width in (5, 20, 100):
        coarse = measure.measure(tally(np.floor(p * width), y, p), "binary")
        for name in ("area_under_roc", "average_precision"):
            assert exact[name].bound == pytest.approx(0, abs=1e-9)
            assert abs(coarse[name].value - exact[name].value) <= coarse[name].bound
            assert coarse[name].bound > 0


def test_standard_errors_are_those_of_repeated_sampling() -> None:
    chance = np.random.default_rng(7)
    values: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for _ in range(300):
        p = chance.uniform(0.02, 0.98, 400)
        y = (chance.uniform(size=p.size) < p).astype(float)
        for name, found in measure.measure(tally(p, y, p), "binary").items():
            if found.error is not None:
                values.setdefault(name, []).append(found.value)
                errors.setdefault(name, []).append(found.error)
    for name in ("log_loss", "brier", "accuracy", "area_under_roc", "precision", "recall", "f1"):
        assert np.mean(errors[name]) == pytest.approx(np.std(values[name]), rel=0.2), name


def test_intervals() -> None:
    low, high = Estimate(1.0, 0.1, 0.01).interval()
    assert (low, high) == (pytest.approx(1 - 0.196 - 0.01, abs=1e-4), pytest.approx(1.206, abs=1e-4))
    assert Estimate(1.0).interval() == (None, None)


def test_moments_merge_exactly() -> None:
    values = np.random.default_rng(2).normal(1e9, 1, 1000)
    parts = np.split(values, [10, 500, 500])
    sizes = np.array([float(len(part)) for part in parts])
    means = np.array([part.mean() if len(part) else 0.0 for part in parts])
    spread = np.array([part.var() if len(part) else 0.0 for part in parts])
    found = Moments.merged(sizes, means, spread)
    assert found.mean == pytest.approx(values.mean())
    assert math.sqrt(found.m2 / 999) == pytest.approx(values.std(ddof=1), rel=1e-6)
    assert Moments.merged(np.zeros(1), np.zeros(1), np.zeros(1)).estimate() is None


def test_undefined_metrics_are_left_out() -> None:
    found = measure.measure(tally([1, 2], [0.0, 0.0], [0.1, 0.2]), "binary")
    assert set(found) == {"accuracy", "brier", "log_loss", "specificity", "base_rate", "mean_prediction"}


def test_calibration_of_a_calibrated_model(rows: tuple[Any, Any]) -> None:
    y, p = rows
    found = measure.calibration(tally(p, y, p))
    assert len(found) == 10
    assert [item["rows"] for item in found] == [90] * 10
    assert [item["predicted"] for item in found] == pytest.approx(np.sort(p).reshape(10, 90).mean(axis=1))
    inside = sum(item["low"] <= item["predicted"] <= item["high"] for item in found)
    assert inside >= 8
    assert measure.calibration(tally([], [], [])) == []


def test_wilson_interval_is_the_published_one() -> None:
    """Newcombe (1998), table I: 81 of 263."""
    assert measure.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    for rows in range(1, 100):  # never beyond what a share can be, not by a last bit either
        assert 0 <= measure.wilson(0, rows)[0] < 1e-15
        assert 1 - 1e-15 < measure.wilson(rows, rows)[1] <= 1

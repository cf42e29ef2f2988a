"""The Spark pass against scikit-learn, on real data: tumours (binary) and diabetes (regression)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets, linear_model, metrics, naive_bayes

from perdure.evaluation import measure, scan
from perdure.evaluation.tally import Tally
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="module")
def tumours() -> pd.DataFrame:
    data = datasets.load_breast_cancer(as_frame=True)
    some = data.data.iloc[:, :3]
    weak = linear_model.LogisticRegression(max_iter=500).fit(some, data.target).predict_proba(some)[:, 1]
    # Naive Bayes is badly calibrated: probabilities down to 1e-40 and exact ones.
    strong = naive_bayes.GaussianNB().fit(data.data, data.target).predict_proba(data.data)[:, 1]
    size = np.where(some["mean radius"] > 14, "large", "small")
    return pd.DataFrame({"label": data.target.astype(float), "weak": weak, "strong": strong, "size": size})


@pytest.fixture(scope="module")
def diabetes() -> pd.DataFrame:
    data = datasets.load_diabetes(as_frame=True)
    one, all_ = (linear_model.LinearRegression().fit(x, data.target).predict(x)
                 for x in (data.data[["bmi"]], data.data))
    return pd.DataFrame({"label": data.target, "weak": one, "strong": all_})


def tallies(spark: SparkSession, data: pd.DataFrame, task: str, slices: tuple[str, ...] = ()) -> dict[Any, Tally]:
    rows = scan.side_by_side(spark.createDataFrame(data), {"strong": "strong", "weak": "weak"}, slices)
    return {(t.model, t.slice_key, t.slice_value): t for t in scan.tally(rows, task=task, paired=True)}


def expected(y: Any, p: Any) -> dict[str, float]:
    hard = p > 0.5
    return {
        "accuracy": metrics.accuracy_score(y, hard), "precision": metrics.precision_score(y, hard),
        "recall": metrics.recall_score(y, hard),
        "specificity": metrics.recall_score(y, hard, pos_label=0), "f1": metrics.f1_score(y, hard),
        "brier": metrics.brier_score_loss(y, p), "log_loss": metrics.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15)),
        "area_under_roc": metrics.roc_auc_score(y, p), "average_precision": metrics.average_precision_score(y, p),
        "base_rate": y.mean(), "mean_prediction": p.mean(),
    }


def check(tally: Tally, y: Any, p: Any) -> None:
    found = measure.measure(tally, "binary")
    assert set(found) == set(expected(y, p))
    for name, value in expected(y, p).items():
        assert found[name].value == pytest.approx(value, abs=found[name].bound + 1e-9), name
    assert tally.n == len(y)


def test_binary_metrics_equal_scikit_learn(spark: SparkSession, tumours: pd.DataFrame) -> None:
    found = tallies(spark, tumours, "binary", ("size",))
    for model in ("strong", "weak"):
        check(found[(model, None, None)], tumours["label"], tumours[model])
        for size, part in tumours.groupby("size"):
            check(found[(model, "size", size)], part["label"], part[model])
    assert len(found) == 6


def test_the_grid_is_fine(spark: SparkSession, tumours: pd.DataFrame) -> None:
    """The bound is computed from the rows. It is far below the standard error, but where probabilities are so extreme
    that they run together at the ends; it says so then."""
    found = {model: measure.measure(tally, "binary")["area_under_roc"]
             for (model, _, _), tally in tallies(spark, tumours, "binary").items()}
    assert found["weak"].bound < 1e-3 < found["weak"].error
    assert (tumours["strong"] < 1e-9).mean() > 0.2
    assert 1e-3 < found["strong"].bound < 2e-2


def test_rare_events_keep_their_order(spark: SparkSession) -> None:
    """Probabilities of a few in a million: an even grid would put all of them into one bin."""
    chance = np.random.default_rng(1)
    p = 10 ** chance.uniform(-6, -2, 20_000)
    y = (chance.uniform(size=p.size) < p * 20).astype(float)
    data = pd.DataFrame({"label": y, "strong": p, "weak": p})
    found = measure.measure(tallies(spark, data, "binary")[("strong", None, None)], "binary")["area_under_roc"]
    assert found.bound < 2e-3
    assert found.value == pytest.approx(metrics.roc_auc_score(y, p), abs=found.bound)


def test_regression_metrics_equal_scikit_learn(spark: SparkSession, diabetes: pd.DataFrame) -> None:
    found = tallies(spark, diabetes, "regression")
    for model in ("strong", "weak"):
        y, p = diabetes["label"], diabetes[model]
        values = measure.measure(found[(model, None, None)], "regression")
        assert {name: estimate.value for name, estimate in values.items()} == pytest.approx({
            "rmse": metrics.root_mean_squared_error(y, p), "mae": metrics.mean_absolute_error(y, p),
            "mse": metrics.mean_squared_error(y, p), "mape": metrics.mean_absolute_percentage_error(y, p),
            "r2": metrics.r2_score(y, p), "mean_label": y.mean(), "mean_prediction": p.mean()})


def test_paired_differences(spark: SparkSession, tumours: pd.DataFrame, diabetes: pd.DataFrame) -> None:
    found = tallies(spark, tumours, "binary")
    strong, weak = found[("strong", None, None)], found[("weak", None, None)]
    squares = (tumours["weak"] - tumours["label"]) ** 2 - (tumours["strong"] - tumours["label"]) ** 2
    better = measure.improvement("brier", "binary", strong, weak)
    assert better.value == pytest.approx(squares.mean())
    assert better.error == pytest.approx(squares.std() / math.sqrt(len(squares)))
    worse = measure.improvement("brier", "binary", weak, strong)
    assert worse.value == pytest.approx(-better.value)
    areas = [metrics.roc_auc_score(tumours["label"], tumours[model]) for model in ("strong", "weak")]
    area = measure.improvement("area_under_roc", "binary", strong, weak)
    assert area.value == pytest.approx(areas[0] - areas[1], abs=area.bound)
    found = tallies(spark, diabetes, "regression")
    strong, weak = found[("strong", None, None)], found[("weak", None, None)]
    for name in ("rmse", "r2", "mae"):
        lower = measure.lower_is_better(name, "regression")
        values = [measure.measure(tally, "regression")[name].value for tally in (strong, weak)]
        better = measure.improvement(name, "regression", strong, weak)
        assert better.value == pytest.approx(values[1] - values[0] if lower else values[0] - values[1])
        assert better.error > 0


def test_rows_without_a_label_or_a_prediction_are_not_judged(spark: SparkSession, tumours: pd.DataFrame) -> None:
    data = tumours.copy()
    data.loc[:99, "label"] = None
    rows = scan.side_by_side(spark.createDataFrame(data), {"strong": "strong"}, ())
    (tally,) = scan.tally(rows, task="binary")
    check(tally, tumours["label"][100:], tumours["strong"][100:])
    assert (tally.total, tally.n) == (len(data), len(data) - 100)
    missing = scan.side_by_side(spark.sql("SELECT 1D AS label, CAST(NULL AS DOUBLE) AS p"), {"m": "p"}, ())
    (tally,) = scan.tally(missing, task="binary")
    assert (tally.n, tally.total) == (0, 1)
    assert measure.measure(tally, "binary") == {}


def test_one_half_is_class_zero(spark: SparkSession) -> None:
    rows = spark.sql("SELECT * FROM VALUES (1D, 0.5D), (1D, 0.5000000000000001D), (0D, 0D), (0D, 1D) AS t (label, p)")
    (tally,) = scan.tally(scan.side_by_side(rows, {"m": "p"}, ()), task="binary")
    assert tally.confusion == (1, 1, 1, 1)
    assert measure.measure(tally, "binary")["log_loss"].value == pytest.approx(
        (2 * math.log(2) - math.log(1e-15)) / 4)


def test_any_threshold_is_exact(spark: SparkSession, tumours: pd.DataFrame) -> None:
    """Also one within a bin, another one for each group, and paired with a model that decides otherwise."""
    from pyspark.sql import functions as F

    own = {"large": 0.831, "small": 0.2777}
    hard = {"weak": tumours["weak"] > tumours["size"].map(own), "strong": tumours["strong"] > 0.999}
    decided = {"weak": F.col("weak") > F.when(F.col("size") == "large", own["large"]).otherwise(own["small"]),
               "strong": F.col("strong") > 0.999}
    rows = scan.side_by_side(spark.createDataFrame(tumours), {"weak": "weak", "strong": "strong"}, ["size"], decided)
    found = {(t.model, t.slice_value): t for t in scan.tally(rows, task="binary", paired=True)}
    y = tumours["label"]
    for name, yes in hard.items():
        tally = found[name, None]
        (rest, false), (missed, hit) = metrics.confusion_matrix(y, yes)
        assert tally.confusion == (hit, false, missed, rest)
        values = measure.measure(tally, "binary")
        assert values["accuracy"].value == pytest.approx(metrics.accuracy_score(y, yes))
        assert values["f1"].value == pytest.approx(metrics.f1_score(y, yes))
        exact = metrics.roc_auc_score(y, tumours[name])
        assert abs(values["area_under_roc"].value - exact) <= values["area_under_roc"].bound + 1e-12
        for size in own:
            part = tumours["size"] == size
            hits = found[name, size].confusion[0]
            assert hits == (yes & (y == 1) & part).sum()
    better = measure.improvement("accuracy", "binary", found["strong", None], found["weak", None])
    assert better is not None
    assert better.value == pytest.approx((hard["strong"] == y).mean() - (hard["weak"] == y).mean())


def test_a_prediction_that_is_not_a_number_shows(spark: SparkSession) -> None:
    rows = spark.sql("SELECT 1D AS label, double('NaN') AS p UNION ALL SELECT 2D, 2D")
    (tally,) = scan.tally(scan.side_by_side(rows, {"m": "p"}, ()), task="regression")
    assert math.isnan(measure.measure(tally, "regression")["mae"].value)


def test_slices_without_a_value_and_odd_names(spark: SparkSession) -> None:
    rows: DataFrame = spark.sql(
        "SELECT * FROM VALUES (1D, 0.9D, NULL, 'u'), (0D, 0.2D, 'b', 'v') AS t (label, m, y, `a b`)")
    found = scan.tally(scan.side_by_side(rows, {"m": "m"}, ("y", "a b")), task="binary")
    assert [(t.slice_key, t.slice_value, t.n) for t in found] == [
        (None, None, 2), ("a b", "u", 1), ("a b", "v", 1), ("y", "(null)", 1), ("y", "b", 1)]


def test_one_action(spark: SparkSession, tumours: pd.DataFrame) -> None:
    rows = scan.side_by_side(spark.createDataFrame(tumours), {"strong": "strong", "weak": "weak"}, ("size",))
    with count_jobs(spark) as count:
        scan.tally(rows, task="binary", paired=True)
    assert count.jobs <= 2

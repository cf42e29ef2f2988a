"""Expected performance against NannyML on its bundled data, against what came true, and its own arithmetic.

`nannyml.json` and `nannyml_census.csv.gz` hold data and NannyML's answers; `make_nannyml.py` made them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets, ensemble, isotonic, model_selection

from perdure.core.config import BusinessValue
from perdure.evaluation import expected, measure, scan
from perdure.evaluation.expected import PLAIN, Estimator
from perdure.evaluation.tally import Tally
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parent
PEER: dict[str, Any] = json.loads((HERE / "nannyml.json").read_text())
WORTH = BusinessValue(true_positive=5, false_positive=-2, false_negative=-10, true_negative=1)
TOLERANCE = 1e-6


def tallies(spark: SparkSession, data: pd.DataFrame, task: str = "binary") -> dict[str, Tally]:
    """By `model`; rows with columns y, p, model and, where given, n: how often each stands for a row."""
    from pyspark.sql import functions as F

    rows = spark.createDataFrame(data)
    if "n" in data:
        rows = rows.withColumn("_", F.explode(F.sequence(F.lit(1), F.col("n").cast("int"))))
    y = F.expr("IF(isnan(y), NULL, double(y))")
    rows = rows.select("model", y.alias("y"), F.col("p").cast("double"), F.expr("p > 0.5D").alias("d"),
                       F.lit(True).alias("known"),
                       scan.slices_of(()).alias("slices"))
    return {tally.model: tally for tally in scan.tally(rows, task=task)}


def values(tally: Tally, estimator: Estimator) -> dict[str, float]:
    expectation = expected.expect(tally, estimator, "binary")
    rows = float(expectation.rows.sum())
    worth = measure.business_value(expectation, WORTH)
    assert worth is not None
    return {**{name: found.value for name, found in expected.measure(expectation, "binary").items()},
            **measure.confusion(expectation), "business_value": worth.value * rows}


def check(tally: Tally, estimator: Estimator, answers: dict[str, Any], tolerance: float) -> None:
    found = values(tally, estimator)
    for name, value in answers["values"].items():
        scale = max(1.0, abs(value)) if name in ("business_value", *measure.confusion(tally)) else 1.0
        assert found[name] == pytest.approx(value, abs=tolerance * scale), name


@pytest.fixture(scope="module")
def loans(spark: SparkSession) -> dict[str, Tally]:
    data = PEER["car_loan"]
    before = pd.DataFrame(data["reference"], columns=["p", "y", "n"]).assign(model="reference")
    after = [pd.DataFrame(chunk, columns=["p", "n"]).assign(y=np.nan, model=f"chunk {number}")
             for number, chunk in enumerate(data["chunks"])]
    return tallies(spark, pd.concat([before, *after]))


@pytest.mark.parametrize("kind", ["calibrated", "plain"])
def test_equal_to_nannyml_on_its_car_loans(loans: dict[str, Tally], kind: str) -> None:
    """100,000 rows, ten chunks, every metric to 1e-6, calibrated on the same reference or not."""
    estimator = expected.calibrated(loans["reference"]) if kind == "calibrated" else PLAIN
    for number, answers in enumerate(PEER["car_loan"]["estimates"][kind]):
        check(loans[f"chunk {number}"], estimator, answers, TOLERANCE)


def census() -> pd.DataFrame:
    data = pd.read_csv(HERE / "nannyml_census.csv.gz", dtype={"part": str})
    return data.rename(columns={"part": "model"})


@pytest.fixture(scope="module")
def people(spark: SparkSession) -> dict[str, Tally]:
    return tallies(spark, census())


def test_near_nannyml_on_the_census(people: dict[str, Tally]) -> None:
    """Probabilities in full digits, read through 4,096 bins: areas within their own bound, the rest to 1e-6."""
    for number, answers in enumerate(PEER["census"]["estimates"]["plain"]):
        check(people[str(number)], PLAIN, answers, TOLERANCE)


def test_the_calibration_through_bins_is_near_that_of_single_rows(people: dict[str, Tally]) -> None:
    estimator = expected.calibrated(people["reference"])
    for number, answers in enumerate(PEER["census"]["estimates"]["calibrated"]):
        check(people[str(number)], estimator, answers, 1e-3)


def test_sampling_errors_are_of_nannymls_size(loans: dict[str, Tally]) -> None:
    """NannyML takes them from the reference, scaled by rows; these are the chunk's own. For areas its definition is
    another (a lower one than DeLong's)."""
    expectation = expected.expect(loans["chunk 0"], expected.calibrated(loans["reference"]), "binary")
    found = expected.measure(expectation, "binary")
    errors = PEER["car_loan"]["estimates"]["calibrated"][0]["errors"]
    for name in ("accuracy", "precision", "recall", "specificity"):
        error = errors[name]
        assert found[name].error == pytest.approx(error, rel=0.35), name


def test_isotonic_regression_is_scikit_learns(loans: dict[str, Tally]) -> None:
    rows = pd.DataFrame(PEER["car_loan"]["reference"], columns=["p", "y", "n"])
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(rows["p"], rows["y"], sample_weight=rows["n"])
    ours, at = expected.calibrated(loans["reference"]), np.linspace(0, 1, 5001)
    assert ours.chance(at) == pytest.approx(theirs.predict(at), abs=1e-12)
    assert len(ours.scores) <= len(theirs.X_thresholds_)


def test_calibrates_only_where_the_probabilities_are_off(people: dict[str, Tally]) -> None:
    random = np.random.default_rng(5)
    p = random.uniform(0.02, 0.98, 4000)
    y = (random.uniform(size=p.size) < p).astype(float)
    assert expected.fit(by_hand(y, p), "binary") == PLAIN
    assert expected.fit(by_hand(y, p**2), "binary") != PLAIN
    assert expected.fit(by_hand(y[:0], p[:0]), "binary") is None


def by_hand(y: Any, p: Any) -> Tally:
    """A tally of rows, each a bin of its own, without Spark."""
    order = np.argsort(p)
    y, p = y[order], p[order]
    none = np.zeros(len(p))
    losses = {name: (measure.metric(name, "binary").loss_of(1, p) * y
                     + measure.metric(name, "binary").loss_of(0, p) * (1 - y), none)
              for name in ("log_loss", "brier")}
    losses["accuracy"] = (((p > 0.5) == y).astype(float), none)
    return Tally("m", None, None, len(p), len(p), p > 0.5, none + 1, (y, none), p, losses, {}, none + 1, (p, none))


def test_the_interval_holds_what_comes_true() -> None:
    """Labels drawn as the probabilities say: the realised value lies in the 95 % interval about as often."""
    random = np.random.default_rng(9)
    inside: dict[str, list[bool]] = {}
    for _ in range(300):
        p = random.beta(2, 3, 400)
        tally = by_hand((random.uniform(size=p.size) < p).astype(float), p)
        realised = measure.measure(tally, "binary")
        for name, found in expected.measure(expected.expect(tally, PLAIN, "binary"), "binary").items():
            low, high = found.interval()
            if name in realised and low is not None and high is not None:
                inside.setdefault(name, []).append(low <= realised[name].value <= high)
    assert set(inside) >= {"log_loss", "brier", "accuracy", "area_under_roc", "precision", "recall", "specificity"}
    for name, hits in inside.items():
        assert np.mean(hits) >= 0.9, name


def test_the_error_tells_concept_drift() -> None:
    """The same features, other labels: no estimate sees that beforehand; the error shows it."""
    random = np.random.default_rng(2)
    p = random.uniform(0.05, 0.95, 3000)
    for shift, drifted in ((0.0, False), (0.2, True)):
        tally = by_hand((random.uniform(size=p.size) < np.clip(p + shift, 0, 1)).astype(float), p)
        expectation = expected.expect(tally, PLAIN, "binary", judged=True)
        found = expected.error(expected.measure(expectation, "binary")["base_rate"],
                               measure.measure(tally, "binary")["base_rate"])
        low, high = found.interval()
        assert (low is not None and high is not None and not low <= 0 <= high) is drifted


WITH_LOSS = [name for name in measure.names("binary") if hasattr(measure.metric(name, "binary"), "loss_of")]


@pytest.mark.parametrize("name", WITH_LOSS)
def test_a_loss_is_the_same_in_numpy_and_in_sql(spark: SparkSession, name: str) -> None:
    module = measure.metric(name, "binary")
    p = np.array([0.0, 1e-300, 1e-9, 0.2, 0.5, np.nextafter(0.5, 1), 0.9, 1.0])
    for y in (0, 1):
        rows = spark.createDataFrame([(float(y), float(each)) for each in p], "y double, p double")
        sql = [row[0] for row in rows.selectExpr(module.loss).collect()]
        assert module.loss_of(y, p) == pytest.approx(sql, abs=1e-12)


def test_estimators_come_back(people: dict[str, Tally]) -> None:
    estimator = expected.calibrated(people["reference"])
    assert Estimator.from_dict(json.loads(json.dumps(estimator.to_dict()))) == estimator


@pytest.fixture(scope="module")
def houses() -> pd.DataFrame:
    """Diabetes' course predicted by a forest, each row unseen in its training; larger predictions err more."""
    data = datasets.load_diabetes(as_frame=True)
    model = ensemble.RandomForestRegressor(50, random_state=1)
    p = model_selection.cross_val_predict(model, data.data, data.target, cv=5)
    half = np.where(np.arange(len(p)) % 2 == 0, "reference", "new")
    return pd.DataFrame({"y": data.target, "p": p, "model": half})


def test_regression_expects_the_losses_of_like_predictions(spark: SparkSession, houses: pd.DataFrame) -> None:
    with count_jobs(spark) as count:
        found = tallies(spark, houses, "regression")
    assert count.jobs <= 2
    estimator = expected.fit(found["reference"], "regression")
    assert estimator is not None
    assert Estimator.from_dict(json.loads(json.dumps(estimator.to_dict()))) == estimator
    expectation = expected.expect(found["new"], estimator, "regression")
    estimates, realised = expected.measure(expectation, "regression"), measure.measure(found["new"], "regression")
    assert set(estimates) == {"mae", "mse", "rmse", "mape"}
    for name, estimate in estimates.items():
        low, high = estimate.interval()
        assert low is not None
        assert high is not None
        assert low <= realised[name].value <= high, name
    large = houses.assign(model=np.where(houses["p"] > houses["p"].median(), "large", "small"))
    sized = tallies(spark, large, "regression")
    parts = {name: expected.measure(expected.expect(sized[name], estimator, "regression"), "regression")["mae"].value
             for name in ("small", "large")}
    assert parts["large"] > parts["small"] * 1.05


def test_one_row_without_a_label_has_an_expectation_without_an_error(spark: SparkSession) -> None:
    (tally,) = tallies(spark, pd.DataFrame({"y": [np.nan], "p": [0.3], "model": "m"})).values()
    found = expected.measure(expected.expect(tally, PLAIN, "binary"), "binary")
    assert found["base_rate"].value == pytest.approx(0.3)
    assert found["base_rate"].error is None
    assert expected.measure(expected.expect(tally, PLAIN, "binary", judged=True), "binary") == {}

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perdure.models import fitted
from perdure.testing import families

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_predict_keeps_the_rows_and_drops_the_vectors(spark: SparkSession) -> None:
    model, rows = families.fit(spark, "gbt", "binary")
    scored = fitted.predict(model, rows, "binary")
    assert scored.columns == [*rows.columns, "prediction", "probability"]
    again = fitted.predict(model, scored, "binary")
    assert again.columns == scored.columns
    wanted = ["id", "prediction", "probability"]
    assert again.select(wanted).orderBy("id").collect() == scored.select(wanted).orderBy("id").collect()


def test_probability_is_that_of_class_one(spark: SparkSession) -> None:
    model, rows = families.fit(spark, "logistic_regression", "binary")
    found = fitted.predict(model, rows, "binary").selectExpr(
        "avg(label - probability) AS bias", "bool_and((probability > 0.5) = (prediction = 1)) AS same").collect()[0]
    assert found["bias"] == pytest.approx(0, abs=0.02)
    assert found["same"]


def test_sizes(spark: SparkSession) -> None:
    forest, _ = families.fit(spark, "random_forest", "regression")
    assert fitted.sizes(forest.stages[-1])["trees"] == 20
    assert fitted.sizes(forest.stages[-1])["nodes"] > 20
    linear, _ = families.fit(spark, "linear_regression", "regression")
    assert fitted.sizes(linear.stages[-1])["coefficients"] >= 3


def test_maximum_bins_follow_the_categories(spark: SparkSession) -> None:
    assert fitted.estimator("gbt", {}, "binary", seed=1, bins=64).getOrDefault("maxBins") == 64
    assert not fitted.estimator("logistic_regression", {}, "binary", seed=1, bins=64).hasParam("maxBins")

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.protocols import StepResult
from perdure.models.fitted import predict
from perdure.steps.score import score
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def test_predictions_of_one_version(
        spark: SparkSession, features: DataFrame, trained: StepResult, parcels: Callable[..., Pipeline]) -> None:
    with count_jobs(spark) as count:
        result = score(features, model=trained.value.model, version="7", role="champion", pipeline=parcels())
    assert count.jobs == 0
    (write,) = result.writes
    assert (write.table, write.mode) == ("predictions", "append")
    assert write.rows.columns == ["id", "at", "prediction", "probability", "model_version", "role"]
    rows = write.rows.orderBy("id").collect()
    assert len(rows) == 1200
    assert {(row["model_version"], row["role"]) for row in rows} == {("7", "champion")}
    expected = predict(trained.value.model, features, "binary").orderBy("id").collect()
    assert [row["probability"] for row in rows] == [row["probability"] for row in expected]
    assert {row["prediction"] for row in rows} == {0.0, 1.0}

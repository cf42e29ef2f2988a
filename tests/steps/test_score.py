from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.protocols import StepResult
from perdure.models.compiled import compiled
from perdure.models.fitted import predict
from perdure.steps.score import Scorer, score
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def test_predictions_of_one_version(
        spark: SparkSession, features: DataFrame, trained: StepResult, parcels: Callable[..., Pipeline]) -> None:
    with count_jobs(spark) as count:
        result = score(features, champion=Scorer(trained.value.model, "7"), pipeline=parcels())
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


def test_a_challenger_beside_it(spark: SparkSession, tmp_path: Path, features: DataFrame, trained: StepResult,
                                poor: StepResult, parcels: Callable[..., Pipeline]) -> None:
    """Each key twice, one of them serving; the challenger's keys grow with its share, and nobody's answer depends on
    who serves. Each model in the form that it has."""
    trained.value.model.write().save(str(tmp_path / "model"))
    champion = Scorer(compiled(trained.value.model, str(tmp_path / "model")), "7")
    alone = {row["id"]: row["probability"] for row in score(
        features, champion=champion, pipeline=parcels()).writes[0].rows.collect()}
    served: dict[int, set[int]] = {}
    for share in (0, 10, 50, 100):
        challenger = Scorer(poor.value.model, "8", share)
        result = score(features, champion=champion, challenger=challenger, pipeline=parcels())
        (write,) = result.writes
        assert write.rows.columns == ["id", "at", "prediction", "probability", "model_version", "role"]
        rows = write.rows.collect()
        assert len(rows) == 2400
        assert sorted(row["id"] for row in rows if row["role"] != "shadow") == list(range(1200))
        assert {row["role"] for row in rows if row["model_version"] == "7"} <= {"champion", "shadow"}
        assert {row["role"] for row in rows if row["model_version"] == "8"} <= {"challenger", "shadow"}
        assert {row["id"]: row["probability"] for row in rows if row["model_version"] == "7"} == alone
        served[share] = {row["id"] for row in rows if row["role"] == "challenger"}
    assert not served[0]
    assert served[10] < served[50] < served[100]
    assert abs(len(served[10]) - 120) < 40
    assert len(served[100]) == 1200

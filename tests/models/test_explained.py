"""Explanations of fitted pipelines, against MLlib's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from perdure.models import fitted, importance
from perdure.models.explained import NotExplainable, against, explainer, reasons
from perdure.testing import families
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CASES = families.of_mllib()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_contributions_add_up_to_what_mllib_says(spark: SparkSession, tmp_path: Path, name: str, task: str) -> None:
    from pyspark.sql import functions as F

    model, rows = families.fit(spark, name, task)
    model.write().overwrite().save(str(tmp_path / "m"))
    found = explainer(model, tmp_path / "m")
    assert set(found.columns) == set(families.INPUTS)
    told = reasons(model, found, rows, ["id"], top=6)
    whole = told.select("id", "raw", (F.col("base") + F.expr("aggregate(reasons.contribution, 0D, (a, x) -> a + x)"))
                        .alias("total"), F.size("reasons").alias("count"), "reasons")
    value = "probability" if task == "binary" else "prediction"
    both = whole.join(fitted.predict(model, rows, task), "id").orderBy("id").toPandas()
    assert len(both) == 400
    assert set(both["count"]) == {6}
    np.testing.assert_allclose(both["total"], both["raw"], atol=1e-9)
    answer = {"margin": lambda x: 1 / (1 + np.exp(-2 * x)), "logit": lambda x: 1 / (1 + np.exp(-x)), "log": np.exp}.get(
        found.kind, lambda x: x)(both["raw"])
    np.testing.assert_allclose(answer, both[value], atol=1e-9)
    shown = {reason["feature"]: reason["value"] for reason in both["reasons"][1]}
    assert shown["place"] == "rare"
    assert shown["hour(seen)"] == "6"
    assert both["reasons"].map(lambda r: abs(r[0]["contribution"]) >= abs(r[5]["contribution"])).all()


@pytest.mark.parametrize(("name", "task"), [("gbt", "binary"), ("linear_regression", "regression")])
def test_a_summary_is_one_job_and_repeats(spark: SparkSession, tmp_path: Path, name: str, task: str) -> None:
    from pyspark.sql import functions as F

    model, rows = families.fit(spark, name, task)
    rows = rows.withColumn("unused", F.rand(1)).localCheckpoint()
    model.write().overwrite().save(str(tmp_path / "m"))
    told = explainer(model, tmp_path / "m")
    with count_jobs(spark) as count:
        found = importance.summarise(model, told, rows, "id", binary=task == "binary", seed=1)
    assert count.jobs == 1
    assert found is not None and found["rows"] == 400
    held = told if told.trees else against(told, np.array(found["means"]))
    assert importance.contributions(model, held, rows.drop("label"), "id") == pytest.approx(found["importance"])
    assert importance.contributions(model, held, rows.limit(0), "id") == {}
    assert found == importance.summarise(model, told, rows.repartition(3), "id", binary=task == "binary", seed=1)
    assert next(iter(found["importance"])) in ("number", "place")
    assert found["permutation"]["number"]["value"] > 5 * found["permutation"]["number"]["error"] > 0
    assert found["direction"]["number"] > 0.5
    assert found["direction"]["place"] is None
    _curves_are_mean_predictions(model, rows, found, task)


def _curves_are_mean_predictions(model: object, rows: object, found: dict[str, object], task: str) -> None:
    from pyspark.sql import functions as F

    importance_rows = importance._CURVE_ROWS
    sample = rows.withColumn("_h", F.xxhash64("id")).orderBy("_h").limit(importance_rows).drop("_h")  # type: ignore[attr-defined]
    value = "probability" if task == "binary" else "prediction"
    curves = {curve["column"]: curve for curve in found["dependence"]}  # type: ignore[attr-defined]
    for column in ("number", "place"):
        point = curves[column]["points"][1]
        fixed = sample.withColumn(column, F.lit(point["at"]))
        mean = fitted.predict(model, fixed, task).agg(F.avg(value)).collect()[0][0]  # type: ignore[arg-type]
        assert point["answer"] == pytest.approx(mean, abs=1e-9)


def test_no_rows_no_summary(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = families.fit(spark, "linear_regression", "regression")
    told = explainer(model, tmp_path)
    assert importance.summarise(model, told, rows.limit(0), "id", binary=False, seed=1) is None


def test_foreign_stages_are_not_explained(spark: SparkSession, tmp_path: Path) -> None:
    from pyspark.ml import PipelineModel

    model, _ = families.fit(spark, "linear_regression", "regression")
    with pytest.raises(NotExplainable, match="own preparation"):
        explainer(PipelineModel(stages=model.stages[1:]), tmp_path)

"""The compiled form against MLlib's own transform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.models import fitted, prepare
from perdure.models.compiled import Compiled, NotCompilable, compiled
from perdure.models.golden import agreement
from perdure.testing import families

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CASES = families.of_mllib()
ODD = """SELECT * FROM VALUES (1001L, NULL, NULL, NULL, NULL, NULL),
    (1002L, double('NaN'), double('NaN'), true, '', timestamp'0002-01-01'),
    (1003L, double('infinity'), -double('infinity'), false, 'never seen', timestamp'9999-12-31 23:59:59'),
    (1004L, 1e300D, 0D, true, 'p1', timestamp'1969-12-31 23:59:59.9'),
    (1005L, -0D, 1e-320D, false, 'it''s a "\\\\ {0}', timestamp'2024-02-29')
    AS odd (id, number, holes, flag, place, seen)"""


def in_sql(model: Any, folder: Path) -> Compiled:
    """The compiled form, by way of the saved one."""
    model.write().overwrite().save(str(folder / "model"))
    return compiled(model, str(folder / "model"))


@pytest.mark.parametrize(("name", "task"), CASES)
def test_predicts_as_mllib_does(spark: SparkSession, tmp_path: Path, name: str, task: str) -> None:
    model, rows = families.fit(spark, name, task)
    again = Compiled.from_json(in_sql(model, tmp_path).to_json())
    more = rows.drop("label").unionByName(spark.sql(ODD).selectExpr("id", "number", "CAST(holes AS DOUBLE) holes",
                                                                   "flag", "place", "seen"))
    found = agreement(model, again, more, task)
    assert found.rows == 405
    assert found.equal, found
    assert fitted.predict(again, more, task).dtypes == fitted.predict(model, more, task).dtypes


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("count", [63, 64])
def test_sets_of_many_categories(spark: SparkSession, tmp_path: Path, task: str, count: int) -> None:
    """64 places fit in the bits of one number, the sign's among them; one more is looked up in a list."""
    rows = spark.range(0, 1500, 1, 2).selectExpr(
        "id", f"concat('c', id % {count}) AS place", f"CAST(pmod(xxhash64(id % {count}), 2) AS DOUBLE) AS label",
        "CAST(id % 10 AS DOUBLE) AS number")
    places = tuple(f"c{i}" for i in range(count))
    preparation = prepare.Preparation({"number": 4.0}, (), {"place": places})
    vectors = preparation.apply(rows, ["index"]).withColumnRenamed("features_index", "features")
    unfitted: Any = fitted.estimator("random_forest", {"numTrees": 3, "maxDepth": 6}, task, seed=3,
                                     bins=preparation.bins)
    model = fitted.assemble(preparation, rows, "index", unfitted.fit(vectors))
    short = in_sql(model, tmp_path)
    assert ("_place_0 IN" in short.value) == (count == 64)
    unseen = rows.union(spark.sql("SELECT 9999L, 'never seen', 0D, 3D"))
    found = agreement(model, short, unseen, task)
    assert found.equal, found


def test_a_difference_is_seen(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = families.fit(spark, "gbt", "binary")
    good = in_sql(model, tmp_path)
    bad = Compiled(good.statement, good.categories, f"{good.value} + 1e-9D", good.kind, good.trees)
    found = agreement(good, bad, rows, "binary")
    assert found.largest > 1e-12
    assert not found.equal
    assert not agreement(good, good, rows.limit(0), "binary").equal


def test_the_model_is_not_part_of_whole_stage_code(spark: SparkSession, tmp_path: Path) -> None:
    model, rows = families.fit(spark, "gbt", "binary")
    short = in_sql(model, tmp_path)
    plan = short.predict(rows)._jdf.queryExecution().executedPlan().toString().splitlines()
    (line,) = [line for line in plan if "_raw_answer#" in line and "transform(array(" in line]
    assert "*(" not in line.split("Project")[0]


def test_foreign_stages_are_not_compiled(spark: SparkSession, tmp_path: Path) -> None:
    from pyspark.ml import PipelineModel

    model, _ = families.fit(spark, "linear_regression", "regression")
    with pytest.raises(NotCompilable, match="own preparation"):
        compiled(PipelineModel(stages=model.stages[1:]), str(tmp_path))

"""Golden rows: which they are, and what they notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perdure.models.compiled import compiled
from perdure.models.golden import ROWS, Golden, answered, choose, odd
from perdure.models.prepare import usable
from perdure.testing import families
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CASES = families.of_mllib()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_mllib_and_sql_agree_on_them_stored_or_not(
        spark: SparkSession, tmp_path: Path, name: str, task: str) -> None:
    model, rows = families.fit(spark, name, task)
    model.write().save(str(tmp_path / "model"))
    short = compiled(model, str(tmp_path / "model"))
    columns = usable(rows.schema, ["id", "label"], families.DATES)
    with count_jobs(spark) as count:
        chosen = choose(rows, columns, "id", task)
        golden, found = answered(chosen, model, short, spark)
    assert count.jobs <= 4
    assert found is not None
    assert found.equal, found
    assert found.rows == len(golden.rows) == len(golden.answers) > ROWS
    again = Golden.from_json(golden.to_json())
    assert again.check(model, spark).equal
    tripled = again.check(short, spark, copies=3)
    assert tripled.equal
    assert tripled.rows == 3 * found.rows
    wrong = replace(short, value=f"{short.value} + 1e-9D")
    assert not again.check(wrong, spark).equal
    assert again.check(wrong, spark).within(1e-6)


def test_the_same_rows_each_time_in_any_order(spark: SparkSession) -> None:
    rows = spark.range(0, 1000, 1, 4).selectExpr("id", "id * 2D AS a", "concat('x', id) AS b")
    columns = {"a": "double", "b": "string"}
    first = choose(rows, columns, "id", "regression")
    again = choose(rows.repartition(3).orderBy("b"), columns, "id", "regression")
    assert first == again


def test_odd_rows_hold_what_each_type_can() -> None:
    columns = {"whole": "smallint", "money": "decimal(5,2)", "text": "string", "flag": "boolean", "real": "float"}
    rows = odd(columns, (1, "1.50", "a", True, 0.5))
    assert (None,) * 5 in rows
    assert (None, "1.50", "a", True, 0.5) in rows
    assert {row[0] for row in rows} == {None, 1, 32767, -32768, 0}
    assert {row[1] for row in rows} == {None, "1.50", "999.99", "0"}
    assert {"", "never seen before"} < {row[2] for row in rows}
    assert float("inf") in {row[4] for row in rows}


def test_odd_types_come_back_from_storage(spark: SparkSession) -> None:
    columns = {"whole": "bigint", "money": "decimal(5,2)", "a b`c": "string", "flag": "boolean", "real": "double",
               "on": "date", "at": "timestamp", "local": "timestamp_ntz"}
    golden = Golden("regression", columns, tuple(odd(columns, None)))
    again = Golden.from_json(golden.to_json()).frame(spark)
    assert dict(again.dtypes) == {"_golden": "bigint", **columns}
    assert str(again.collect()) == str(golden.frame(spark).collect())
    assert again.where("money = 999.99").count() > 0
    assert again.where("isnan(real)").count() > 0
    assert again.where("on = date'2024-02-29' AND at = timestamp'1969-12-31 23:59:59'").count() > 0


def test_no_holdout_leaves_the_odd_rows(spark: SparkSession) -> None:
    golden = choose(spark.range(0).selectExpr("id", "id * 2D AS a"), {"a": "double"}, "id", "regression")
    assert len(golden.rows) > 3

"""Tables by path and by three-part name behave alike, also when two write at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perdure.core.config import Target
from perdure.core.interval import Duration, Interval
from perdure.core.protocols import Read, Write
from perdure.io.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAY = Interval.parse("2024-01-01", Duration(1, "day"))


@pytest.fixture(params=["path", "catalog"])
def tables(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Tables:
    if request.param == "path":
        return Tables(spark, Target(storage="lake", tracking="x"), str(tmp_path))
    spark.sql("DROP SCHEMA IF EXISTS spark_catalog.lake CASCADE")
    spark.sql("CREATE SCHEMA spark_catalog.lake")
    return Tables(spark, Target(catalog="spark_catalog", schema="lake", tracking="x"), str(tmp_path))


def test_written_once_a_run_and_replaced_by_the_next(spark: SparkSession, tables: Tables) -> None:
    assert not tables.exists("rows")
    one, two = spark.range(10).toDF("n"), spark.range(3).toDF("n")
    first = tables.write(Write("rows", one), DAY, "run-1")
    assert (first.rows, tables.exists("rows")) == (10, True)
    assert tables.write(Write("rows", one), DAY, "run-1") == first
    tables.write(Write("rows", two), DAY.next, "run-2")
    third = tables.write(Write("rows", two), DAY, "run-3")
    assert sorted(row["n"] for row in tables.read(Read("rows")).collect()) == [0, 0, 1, 1, 2, 2]
    assert tables.read(Read("rows"), first.version).count() == 10
    assert third.version == first.version + 2
    tables.append_records("runs", two)
    tables.append_records("runs", two)
    assert tables.read(Read("runs")).count() == 6
    found = spark.sql(f"SELECT count(*) AS n FROM {tables.sql_name('rows')}").first()
    assert found is not None and found["n"] == 6


def test_only_times_have_statistics(spark: SparkSession, tables: Tables) -> None:
    noon = "TIMESTAMP '2024-01-01 12:00:00'"
    rows = spark.sql(f"SELECT 1 AS n, 'a' AS name, {noon} AS `at, its 'a.b`, current_date() AS day")
    tables.write(Write("rows", rows), DAY, "run-1")
    tables.write(Write("rows", rows), DAY.next, "run-2")
    detail = spark.sql(f"DESCRIBE DETAIL {tables.sql_name('rows')}").first()
    assert detail is not None
    log = Path(detail["location"].removeprefix("file:"), "_delta_log")
    added = [found for file in log.glob("*.json") for line in file.read_text().splitlines()
             if (found := json.loads(line).get("add"))]
    assert len(added) == 2
    for file in added:
        told = json.loads(file["stats"])
        assert (told["numRecords"], len(told["minValues"]), len(told["maxValues"])) == (1, 2, 2)
        assert "2024-01-01T12:00:00.000Z" in told["minValues"].values()


def test_a_table_with_other_properties_goes_on(spark: SparkSession, tables: Tables) -> None:
    rows = spark.sql("SELECT 1 AS n, TIMESTAMP '2024-01-01 12:00:00' AS at")
    spark.sql(f"""CREATE TABLE {tables.sql_name('rows')} (n INT, at TIMESTAMP, _interval STRING, _run_id STRING)
        USING delta PARTITIONED BY (_interval)""")
    tables.write(Write("rows", rows), DAY, "run-1")
    tables.write(Write("rows", rows), DAY.next, "run-2")
    assert tables.read(Read("rows")).count() == 2
    detail = spark.sql(f"DESCRIBE DETAIL {tables.sql_name('rows')}").first()
    assert detail is not None and not detail["properties"]


def test_the_same_run_twice_at_once_is_there_once(spark: SparkSession, tables: Tables) -> None:
    def write(number: int) -> int | None:
        rows = spark.range(1000, numPartitions=2).toDF("n")
        return tables.write(Write("rows", rows, "append"), DAY, f"run-{number // 4}").rows

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))) == [1000] * 8
    assert tables.read(Read("rows")).count() == 2000
    assert tables.conflicts >= 1

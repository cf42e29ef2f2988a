"""Ingest writes what was parsed, all of it, in the declared order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perdure.core.config import Source
from perdure.sources import csv
from perdure.steps.ingest import ingest
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_good_and_rejected_rows_are_written(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a.b,id\n1,x\ny,z\n")
    config = Source(format="csv", path="x", schema={"id": "string", "a.b": "int"}, key=("id",), on_failure="fail")
    with count_jobs(spark) as count:
        result = ingest(csv.read(spark, [str(file)], config), source="stock", config=config)
    assert count.jobs == 0
    (write,) = result.writes
    assert (write.table, write.mode, result.gate, dict(result.facts)) == ("raw_stock", "replace", None, {})
    assert [tuple(row) for row in write.rows.collect()] == [
        ("x", 1, str(file), 2, None, None),
        ("z", None, str(file), 3, "y,z", "a.b: expected int, found 'y'"),
    ]
    assert write.rows.columns == ["id", "a.b", "_file", "_line", "_record", "_reject"]

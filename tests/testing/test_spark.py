"""The Spark fixture and the job counter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_fixture_reads_what_delta_wrote(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    spark.range(5).write.format("delta").save(path)
    assert spark.read.format("delta").load(path).count() == 5


def test_fixture_runs_in_utc_under_ansi(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"


def test_count_jobs(spark: SparkSession) -> None:
    with count_jobs(spark) as none:
        spark.range(3).filter("id > 1")
    with count_jobs(spark) as one:
        spark.range(3).foreach(lambda row: None)
    assert (none.jobs, one.jobs) == (0, 1)

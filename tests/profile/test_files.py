"""The scan past Spark's reader gives the same states as the one through it; what it can't read goes through Spark."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perdure.core.errors import UsageError
from perdure.profile import files
from perdure.profile.files import Within, plain_files, scan_table
from perdure.profile.profile import ALL, Profile
from perdure.profile.scan import plan, scan
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = ["few", "many", "holed", "whole", "name", "flag", "wide"]
WITHIN = Within("at", datetime(2024, 1, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1, 3, tzinfo=timezone.utc))


def rows(spark: SparkSession, since: int, until: int) -> DataFrame:
    return spark.range(since, until, 1, 2).selectExpr(
        "id", "timestamp'2024-01-01' + make_dt_interval(0, 0, 0, id) at", "double(id % 7) / 3 few", "randn(3) many",
        "CASE id % 5 WHEN 0 THEN NULL WHEN 1 THEN double('NaN') WHEN 2 THEN double('inf') ELSE rand(4) END holed",
        "cast(id % 24 as smallint) whole", "concat('n', id % 150) name", "id % 3 = 0 flag", "id * 1000003 wide",
        "IF(id % 11 = 0, NULL, concat('t', id % 4)) town", "cast(id % 2 as decimal(9, 2)) money", "current_date() day")


@pytest.fixture(scope="module")
def path(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Delta table of three commits; a later column is missing in the first."""
    place = str(tmp_path_factory.mktemp("files") / "a table")
    rows(spark, 0, 6_000).drop("flag").write.format("delta").save(place)
    more = rows(spark, 6_000, 20_000).write.format("delta").mode("append").option("mergeSchema", "true")
    more.save(place)
    rows(spark, 20_000, 21_000).write.format("delta").mode("append").save(place)
    return place


@pytest.fixture(scope="module")
def zero(spark: SparkSession, path: str) -> Profile:
    return plan(spark.read.format("delta").load(path), COLUMNS)


def test_the_same_states_as_through_spark(spark: SparkSession, path: str, zero: Profile) -> None:
    table = spark.read.format("delta").load(path)
    assert plain_files(table, f"delta.`{path}`", COLUMNS) is not None
    with count_jobs(spark) as count:
        found = scan_table(table, f"delta.`{path}`", zero, ["town", "whole"])
    assert count.jobs <= 3
    assert found == scan(table, zero, ["town", "whole"])
    assert found[ALL].rows == 21_000
    assert {key for key, _ in found} == {None, "town", "whole"}


def test_the_same_within_a_time(spark: SparkSession, path: str, zero: Profile) -> None:
    table = spark.read.format("delta").load(path)
    found = scan_table(table, f"delta.`{path}`", zero, ["town"], WITHIN)
    inside = table.where("at >= timestamp'2024-01-01T01:00:00Z' AND at < timestamp'2024-01-01T03:00:00Z'")
    assert found == scan(inside, zero, ["town"])
    assert found[ALL].rows == 7_200


def test_an_earlier_version(spark: SparkSession, path: str, zero: Profile) -> None:
    table = spark.read.format("delta").option("versionAsOf", 1).load(path)
    assert scan_table(table, f"delta.`{path}`", zero)[ALL].rows == 20_000


def test_what_files_alone_do_not_tell_goes_through_spark(spark: SparkSession, tmp_path: Path) -> None:
    for name, properties in (("deleted", "delta.enableDeletionVectors = true"),
                             ("mapped", "delta.columnMapping.mode = 'name'")):
        place = f"delta.`{tmp_path}/{name}`"
        spark.sql(f"CREATE TABLE {place} (a INT, b STRING) USING delta TBLPROPERTIES ({properties})")
        spark.sql(f"INSERT INTO {place} SELECT id, concat('b', id % 3) FROM range(100)")
        if name == "deleted":
            spark.sql(f"DELETE FROM {place} WHERE a % 2 = 0")
        else:
            spark.sql(f"ALTER TABLE {place} RENAME COLUMN b TO c")
        table = spark.read.format("delta").load(f"{tmp_path}/{name}")
        columns = table.columns
        assert plain_files(table, place, columns) is None
        empty = plan(table, columns)
        assert scan_table(table, place, empty) == scan(table, empty)
        assert scan_table(table, place, empty)[ALL].rows == (50 if name == "deleted" else 100)


@pytest.mark.parametrize(("columns", "slices", "within"), [
    (["money"], [], None), (["few"], ["day"], None), (["few"], ["few"], None),
    (["few"], [], Within("day", WITHIN.since, WITHIN.until))])
def test_types_that_read_differently_go_through_spark(
    spark: SparkSession, path: str, columns: list[str], slices: list[str], within: Within | None
) -> None:
    table = spark.read.format("delta").load(path)
    assert plain_files(table, f"delta.`{path}`", columns, slices, within) is None


def test_too_many_slices_are_told(spark: SparkSession, path: str, zero: Profile) -> None:
    table = spark.read.format("delta").load(path)
    with pytest.raises(UsageError, match="at most 200 values"):
        scan_table(table, f"delta.`{path}`", zero, ["id"])


def test_no_rows(spark: SparkSession, path: str, zero: Profile) -> None:
    table = spark.read.format("delta").load(path)
    never = Within("at", datetime(2030, 1, 1, tzinfo=timezone.utc), datetime(2031, 1, 1, tzinfo=timezone.utc))
    assert scan_table(table, f"delta.`{path}`", zero, [], never) == {ALL: zero}


def test_files_out_of_the_tasks_reach_go_through_spark(
    spark: SparkSession, path: str, zero: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster whose disks aren't shared: the driver lists files that no task finds."""
    table = spark.read.format("delta").load(path)
    found = plain_files(table, f"delta.`{path}`", COLUMNS)
    monkeypatch.setattr(files, "plain_files", lambda *_: [f"{file}.elsewhere" for file in found or ()])
    assert scan_table(table, f"delta.`{path}`", zero) == scan(table, zero)


def test_many_parts_are_added_up_by_tasks_first(spark: SparkSession, tmp_path: Path) -> None:
    """The driver gets one profile of each slice, whatever the number of files and partitions; the same ones."""
    place = f"{tmp_path}/parts"
    frame = spark.range(1_000).selectExpr("id * 0.1D AS x", "concat('t', id % 3) AS town", "IF(id % 7 = 0, NULL, id) n")
    frame.repartition(20).write.format("delta").save(place)
    table = spark.read.format("delta").load(place)
    columns = table.columns
    empty = plan(table, columns)
    few = scan(table, empty, ["town"])
    assert scan(table.repartition(40), empty, ["town"], many=True) == few
    assert plain_files(table, f"delta.`{place}`", columns) is not None
    assert scan_table(table, f"delta.`{place}`", empty, ["town"]) == few
    nothing = table.where("x < 0")
    assert scan(nothing, empty, ["town"], many=True) == {ALL: empty}

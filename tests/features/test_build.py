from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from perdure.core.config import Pipeline
from perdure.core.interval import Duration, Interval
from perdure.features import build, times
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Make = Callable[..., Pipeline]
Sources = dict[str, "DataFrame"]


def days(first: int, end: int) -> Interval:
    start, last = (datetime(2024, 1, day, tzinfo=timezone.utc) for day in (first, end))
    return Interval(start, last, Duration(end - first, "day"))


def test_features_of_the_interval(spark: SparkSession, make: Make, sources: Sources) -> None:
    with count_jobs(spark) as count:
        rows = build.build(sources, make(), days(4, 7))
    assert count.jobs == 0
    assert rows.columns == ["id", "sold_at", "price", "town", "one", "returns"]
    found = {row["id"]: row for row in rows.collect()}
    assert sorted(found) == [4, 5, 6]
    # Sale 2 came back; that is known two days later, at the very moment of sale 4.
    assert [found[i]["returns"] for i in (4, 5, 6)] == [1, 1, 0]
    assert [found[i]["town"] for i in (4, 5, 6)] == ["Riga", "Riga", None]
    assert found[6]["price"] == 9.0


def test_what_sources_carry_for_the_sql(make: Make, sources: Sources) -> None:
    pipeline = make("SELECT *, _available_at AS known FROM outcomes")
    rows = build.run(sources, pipeline)
    assert rows.columns == ["id", "sold_at", "shop", "back", "_available_at", "known"]
    assert rows.where("known = sold_at + INTERVAL 2 DAYS").count() == 10
    static = build.with_availability(sources["shops"], pipeline, "shops")
    assert static.where("_available_at < timestamp'1900-01-01'").count() == 1
    assert "_available_at" not in build.build(sources, pipeline, days(1, 3)).columns


def test_nothing_is_left_in_the_session(spark: SparkSession, make: Make, sources: Sources) -> None:
    spark.sql("SELECT 'mine' AS x").createOrReplaceTempView("sales")
    try:
        rows = build.build(sources, make(), days(1, 11))
        assert [table.name for table in spark.catalog.listTables()] == ["sales"]
        assert rows.count() == 10
        assert spark.table("sales").collect()[0]["x"] == "mine"
    finally:
        spark.catalog.dropTempView("sales")


def test_many_at_once_do_not_mix(make: Make, sources: Sources) -> None:
    pipeline = make()

    def prices(day: int) -> list[int]:
        some = {**sources, "sales": sources["sales"].where(f"id = {day}")}
        return [row["id"] for row in build.build(some, pipeline, days(1, 11)).collect()]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(prices, range(1, 9))) == [[day] for day in range(1, 9)]


def test_a_source_may_have_any_name_that_the_file_allows(make: Make, sources: Sources) -> None:
    pipeline = make("SELECT id, sold_at, price FROM args")
    declared = {**pipeline.sources, "args": pipeline.sources["sales"]}
    pipeline = pipeline.model_copy(update={"sources": declared})
    assert build.build({**sources, "args": sources["sales"]}, pipeline, days(1, 3)).count() == 2


def test_a_row_without_a_key_is_an_error(make: Make, sources: Sources) -> None:
    pipeline = make("SELECT nullif(id, 3) AS id, sold_at, price FROM sales")
    assert build.build(sources, pipeline, days(1, 3)).count() == 2
    with pytest.raises(Exception, match="must give every row its key, 'id'"):
        build.build(sources, pipeline, days(1, 5)).collect()


def test_labels(make: Make, sources: Sources) -> None:
    rows = build.labels(sources["outcomes"], make(), days(3, 6))
    assert rows.columns == ["id", "sold_at", "label", "available_at"]
    assert [(row["id"], row["label"]) for row in rows.orderBy("id").collect()] == [(3, 0.0), (4, None), (5, 0.0)]
    assert rows.where("available_at = sold_at + INTERVAL 2 DAYS").count() == 3
    pipeline = make(label={"column": "back", "from": "outcomes", "expression": "CASE WHEN back THEN id END"})
    found = build.labels(sources["outcomes"], pipeline, days(1, 11)).orderBy("id").collect()
    assert [row["label"] for row in found] == [None, 2, None, None, None, 6, None, 8, None, 10]


def test_lines_are_found_again() -> None:
    texts = {"v": "SELECT 1 AS a\nFROM s", "features": "WITH x AS (SELECT * FROM v)\nSELECT *\nFROM x; "}
    query = build.query(texts, ["s"])
    lines = query.text.split("\n")
    assert [query.locate(lines.index(line) + 1) for line in ("FROM s", "FROM x")] == [("v", 2), ("features", 3)]


def test_times_do_not_depend_on_the_machine(spark: SparkSession) -> None:
    moment = datetime(2013, 7, 1, 4, 30, 0, 123456, tzinfo=timezone.utc)
    found = spark.range(1).select(times.at(moment).cast("string")).collect()[0][0]
    assert found == "2013-07-01 04:30:00.123456"
    assert times.micros(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)) == -1

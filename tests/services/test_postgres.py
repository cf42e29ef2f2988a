"""The jdbc source against a real PostgreSQL server, held to the laws of all sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.interval import Duration, Interval
from perdure.sources import jdbc
from perdure.testing import sources as laws

from ..postgres import server as throw_away
from ..sources.drawn import few
from ..sources.test_laws import COLUMNS, TEXT, frame_of, values

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.services
DAY = Interval.parse("2024-01-01", Duration(1, "day"))


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """A throw-away server on loopback; gives the source's options."""
    with throw_away() as port:
        yield {"url": f"jdbc:postgresql://127.0.0.1:{port}/postgres?user=postgres", "driver": "org.postgresql.Driver"}


def write(server: dict[str, Any], path: Path, rows: Sequence[laws.Row], bad: Sequence[str]) -> list[int]:
    writer = frame_of(rows).write.format("jdbc").options(**server)
    writer.option("dbtable", name_of(path)).mode("overwrite").save()
    return []


def name_of(path: Path) -> str:
    return f'"{path.parent.name[-30:]}_{path.name}"'


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@few(2)
@given(data=st.data())
def test_law(spark: SparkSession, server: dict[str, Any], tmp_path: Path, law: Any, data: st.DataObject) -> None:
    sample = laws.Sample("jdbc", COLUMNS, partial(write, server), options=server, name=name_of, table=True)
    law(spark, sample, tmp_path, data.draw(st.lists(values(TEXT.filter(str.strip)), min_size=15, max_size=30)))


def test_partitions_read_each_row_once_and_changes_are_noticed(spark: SparkSession, server: dict[str, Any]) -> None:
    orders = spark.range(2000).selectExpr("id", "timestamp'2024-01-01' + make_dt_interval(0, 0, 0, id * 60) AS at")
    orders.write.format("jdbc").options(**server).option("dbtable", "orders").mode("overwrite").save()
    config = Source.model_validate({"format": "jdbc", "path": "orders", "schema": {"id": "bigint", "at": "timestamp"},
                                    "event_time": "at", "options": {**server, "partitions": 4}})  # fmt: skip
    before = jdbc.inputs(spark, "orders", config, DAY, first=True)
    rows = jdbc.read(spark, [before[0].path], config)
    assert rows.rdd.getNumPartitions() == 4
    assert sorted(row["id"] for row in rows.collect()) == list(range(1440))
    orders.where("id = 1439").write.format("jdbc").options(**server).option("dbtable", "orders").mode("append").save()
    assert jdbc.inputs(spark, "orders", config, DAY, first=True) != before
    query = "(SELECT id, at FROM orders WHERE id = 7) one"
    assert [row["id"] for row in jdbc.read(spark, [query], config).collect()] == [7]


def test_rows_that_are_added_are_noticed_by_their_key(spark: SparkSession, server: dict[str, Any]) -> None:
    added = spark.range(10).selectExpr("id", "timestamp'2024-01-01' + make_dt_interval(0, 0, 0, id * 60) AS at")
    table = added.write.format("jdbc").options(**server).option("dbtable", "added")
    table.mode("overwrite").save()
    config = Source.model_validate({"format": "jdbc", "path": "added", "schema": {"id": "bigint", "at": "timestamp"},
                                    "event_time": "at", "options": {**server, "changed": "id"}})  # fmt: skip
    (before,) = jdbc.inputs(spark, "added", config, DAY, first=True)
    assert (before.size, before.modified) == (10, 9)
    more = added.selectExpr("id + 10 AS id", "at")
    more.write.format("jdbc").options(**server).option("dbtable", "added").mode("append").save()
    (after,) = jdbc.inputs(spark, "added", config, DAY, first=True)
    assert (after.size, after.modified) == (20, 19)
    assert sorted(row["id"] for row in jdbc.read(spark, [after.path], config).collect()) == list(range(20))
    assert jdbc.inputs(spark, "added", config, DAY.next, first=False)[0].size == 0


def test_a_server_that_is_gone(spark: SparkSession, server: dict[str, Any]) -> None:
    config = Source.model_validate({"format": "jdbc", "path": "orders", "schema": {"id": "bigint"},
                                    "options": {**server, "url": "jdbc:postgresql://127.0.0.1:1/none"}})  # fmt: skip
    with pytest.raises(SourceError, match=r"orders: can't be read: .*connect to the database"):
        jdbc.inputs(spark, "orders", config, None, first=True)

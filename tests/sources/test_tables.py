"""Sources that are tables, a Delta table and a database (Derby, in memory), read interval by interval."""

# ruff: noqa: DTZ001 (Spark hands times out without a zone)
from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.core.interval import Duration, Interval
from perdure.sources._tables import Span

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

JANUARY = Interval.parse("2024-01", Duration(1, "month"))
COLUMNS = {"id": "bigint", "at": "timestamp", "price": "int"}
SCHEMA = "id bigint, at timestamp, price bigint"
ROWS = [(number, datetime(2024, 1 + number % 2, 1 + number % 28), number) for number in range(40)]
ORDERS = [*ROWS, (99, None, 1), (100, datetime(2024, 1, 31, 23, 59, 59), 1 << 40)]


class Place:
    """A table `orders` in one of the two kinds of source."""

    def __init__(self, spark: SparkSession, kind: str, folder: Path) -> None:
        self.spark, self.kind = spark, kind
        url = f"jdbc:derby:memory:{folder.name};create=true"
        driver = "org.apache.derby.iapi.jdbc.AutoloadedDriver"
        self.options: dict[str, Any] = {"url": url, "driver": driver} if kind == "jdbc" else {}
        self.location = "orders" if kind == "jdbc" else str(folder / "orders")

    def write(self, rows: list[Any], mode: str = "overwrite", schema: str = SCHEMA) -> None:
        frame: DataFrame = self.spark.createDataFrame(rows, schema)
        if self.kind == "jdbc":
            frame.write.format("jdbc").options(**self.options).option("dbtable", "orders").mode(mode).save()
        else:
            frame.write.format("delta").mode(mode).option("overwriteSchema", "true").save(self.location)

    def source(self, **changes: Any) -> Source:
        given = {"format": self.kind, "path": self.location, "schema": COLUMNS, "event_time": "at"}
        options = {**self.options, **changes.pop("options", {})}
        return Source.model_validate({**given, "options": options, **changes})

    def inputs(self, source: Source, interval: Interval | None = JANUARY, *, first: bool = False) -> Any:
        module = registry.load("perdure.sources", self.kind)
        return module.inputs(self.spark, self.location, source, interval, first=first)

    def read(self, source: Source, interval: Interval | None = JANUARY, *, first: bool = False) -> list[Any]:
        module = registry.load("perdure.sources", self.kind)
        files = [file.path for file in self.inputs(source, interval, first=first)]
        return sorted(module.read(self.spark, files, source).collect(), key=lambda row: row["id"])


@pytest.fixture(params=["delta", "jdbc"])
def place(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Place:
    found = Place(spark, request.param, tmp_path)
    found.write(ORDERS)
    return found


def test_each_row_is_read_by_one_interval(place: Place) -> None:
    months = [JANUARY, JANUARY.next]
    for options in ({}, {"partitions": 3}) if place.kind == "jdbc" else ({},):
        source = place.source(options=options)
        found = [row["id"] for at, month in enumerate(months) for row in place.read(source, month, first=at == 0)]
        assert sorted(found) == sorted(row[0] for row in ORDERS)
    assert 99 not in [row["id"] for row in place.read(place.source())]
    assert len(place.read(place.source(event_time=None), None)) == len(ORDERS)


def test_what_came_late_or_was_corrected_is_noticed_in_its_own_interval_alone(place: Place) -> None:
    source = place.source()
    before = [place.inputs(source, month) for month in (JANUARY, JANUARY.next)]
    assert before == [place.inputs(source, month) for month in (JANUARY, JANUARY.next)]
    place.write([(200, datetime(2024, 1, 5), 5)], "append")
    assert place.inputs(source) != before[0]
    assert place.inputs(source)[0].size == before[0][0].size + 1
    assert place.inputs(source, JANUARY.next) == before[1]
    place.write([(number, at, price if number else 77) for number, at, price in ORDERS])
    assert place.inputs(source)[0].size == before[0][0].size
    assert place.inputs(source) != before[0]


def test_a_column_that_tells_of_changes_saves_looking_at_the_rows(place: Place) -> None:
    source = place.source(options={"changed": "at"})
    (found,) = place.inputs(source)
    assert found.modified == int(datetime.fromisoformat("2024-01-31T23:59:59+00:00").timestamp() * 1000)


def test_so_does_a_key_that_grows(place: Place) -> None:
    source = place.source(options={"changed": "id"})
    (before,) = place.inputs(source)
    assert before.modified == 100
    place.write([(201, datetime(2024, 1, 5), 5)], "append")
    (after,) = place.inputs(source)
    assert (after.modified, after.size) == (201, before.size + 1)


def test_values_that_do_not_fit_reject_their_row(place: Place) -> None:
    rows = {row["id"]: row for row in place.read(place.source())}
    assert (rows[2]["price"], rows[2]["_reject"], rows[2]["_line"]) == (2, None, None)
    assert (rows[100]["price"], rows[100]["_reject"]) == (None, "price: expected int, found '1099511627776'")
    assert '"price":1099511627776' in rows[100]["_record"].replace("PRICE", "price")
    assert rows[100]["_file"] == place.location


def test_other_columns_follow_the_policies(place: Place) -> None:
    place.write([(1, datetime(2024, 1, 1), 1, "x")], schema=f"{SCHEMA}, shop string")
    with pytest.raises(SourceError, match="column 'shop' isn't declared"):
        place.read(place.source())
    (row,) = place.read(place.source(schema_changes={"added": "evolve"}))
    assert row["shop"] == "x"


@pytest.mark.parametrize("kind", ["delta", "jdbc"])
def test_a_table_that_is_not_there(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    place = Place(spark, kind, tmp_path)
    with pytest.raises(SourceError, match=rf"{place.location}: can't be read: ") as error:
        place.inputs(place.source())
    assert len(str(error.value).splitlines()) == 1


def test_a_database_needs_a_url_and_may_have_secrets(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(spark, "jdbc", tmp_path)
    place.write(ORDERS)
    monkeypatch.setenv("SHOP_URL", place.options["url"])
    assert len(place.inputs(place.source(options={"url": "${env:SHOP_URL}"}))) == 1
    del place.options["url"]
    with pytest.raises(SourceError, match="needs the option 'url'"):
        place.inputs(place.source())


TIMES = st.datetimes(datetime(1, 1, 1), datetime(9000, 1, 1)).map(lambda time: time.replace(microsecond=0))


@given(st.text(max_size=20).filter(lambda text: not text.endswith((")", "+null"))), TIMES, st.integers(1, 10**8),
       st.booleans(), st.integers(1, 9))  # fmt: skip
def test_a_span_is_its_text_and_its_parts_are_all_of_it(
    name: str, since: datetime, seconds: int, first: bool, count: int
) -> None:
    from datetime import timedelta, timezone

    low = since.replace(tzinfo=timezone.utc)
    span = Span(name, low, low + timedelta(seconds=seconds), first)
    assert Span.parse(str(span)) == span
    assert Span.parse(name) == Span(name)
    parts = span.parts(count)
    assert (parts[0].since, parts[-1].until) == (span.since, span.until)
    assert all(one.until == other.since for one, other in pairwise(parts))
    assert [part.first for part in parts] == [first] + [False] * (len(parts) - 1)

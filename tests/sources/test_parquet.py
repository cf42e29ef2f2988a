"""Parquet: names and types are held against the declared ones, file by file."""

# ruff: noqa: DTZ001 (Spark hands times out without a zone)
from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perdure.core.config import Source
from perdure.core.errors import SourceError
from perdure.sources import parquet

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def source(**columns: str) -> Source:
    return Source(format="parquet", path="x", schema=columns)


def write(file: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


def read(spark: SparkSession, config: Source, *files: Path) -> list[Any]:
    return sorted(parquet.read(spark, [str(file) for file in files], config).collect(), key=str)


def test_columns_by_name_and_widened(spark: SparkSession, tmp_path: Path) -> None:
    one = write(
        tmp_path / "a b%41.parquet",
        id=pa.array([1], pa.int8()),
        x=pa.array([1.5], pa.float32()),
        t=pa.array([datetime(2013, 1, 1)], pa.timestamp("us")),
        d=pa.array([Decimal("1.2")], pa.decimal128(3, 1)),
    )
    two = write(
        tmp_path / "b.parquet",
        x=pa.array([2.5]),
        d=pa.array([Decimal("2.25")], pa.decimal128(5, 2)),
        t=pa.array([datetime(2013, 1, 2)], pa.timestamp("ms", "UTC")),
        id=pa.array([2]),
    )
    rows = read(spark, source(id="bigint", x="double", t="timestamp", d="decimal(5, 2)"), one, two)
    assert [tuple(row) for row in rows] == [
        (1, 1.5, datetime(2013, 1, 1), Decimal("1.20"), str(one), 1, None, None),
        (2, 2.5, datetime(2013, 1, 2), Decimal("2.25"), str(two), 1, None, None),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": pa.array([1]), "y": pa.array([1])}, "declared column 'x' is missing; column 'y' isn't declared"),
        ({"id": pa.array([1])}, "declared column 'x' is missing"),
        ({"id": pa.array(["1"]), "x": pa.array([1.0])}, "id: expected int, found string"),
        ({"id": pa.array([1]), "x": pa.array([1.0])}, "id: expected int, found bigint"),
        ({"id": pa.array([1], pa.int32()), "x": pa.array([1])}, "x: expected double, found bigint"),
    ],
)
def test_other_columns_are_refused(spark: SparkSession, tmp_path: Path, columns: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        read(spark, source(id="int", x="double"), write(tmp_path / "a.parquet", **columns))
    assert "a.parquet" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,x\n1,2\n", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_what_is_not_parquet_is_refused(spark: SparkSession, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.parquet: can't be read: it isn't a Parquet file"):
        read(spark, source(id="int"), file)


def test_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", id=pa.array([], pa.int32()))
    assert read(spark, source(id="int"), file) == read(spark, source(id="int")) == []


def test_names_may_hold_anything(spark: SparkSession, tmp_path: Path) -> None:
    columns = {"a.b": [1], "c`d": [2], "e f": [3]}
    file = write(tmp_path / "a.parquet", **columns)
    assert list(read(spark, source(**dict.fromkeys(columns, "bigint")), file)[0])[:3] == [1, 2, 3]

"""The fused scan: right counts, and a broken part that costs no other its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from perdure.quality.scan import KeyCheck, KeyCount, Scan, count_where, duplicates, first_values, with_position

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    rows = [(1, "a", "x"), (2, "a", None), (3, "b", None), (4, None, "x"), (5, None, "1")]
    return spark.createDataFrame(rows, "id int, k string, v string").coalesce(1)


def test_values_and_keys(frame: DataFrame) -> None:
    scan = Scan(frame)
    scan.values |= {"rows": count_where(None), "a": count_where(F.col("k") == "a")}
    scan.keys |= {
        "id": KeyCheck((F.col("id"),)),
        "k": KeyCheck((F.col("k"),), distinct=True),
        "k not null": KeyCheck((F.col("k"),), F.col("k").isNotNull(), distinct=True),
        "nothing": KeyCheck((F.col("k"),), F.lit(False)),
    }
    found = scan.run()
    assert found.values == {"rows": 5, "a": 2}
    assert found.keys == {
        "id": KeyCount(5, 0), "k": KeyCount(3, 4), "k not null": KeyCount(2, 2), "nothing": KeyCount(0, 0)
    }
    assert found.errors == {}


def test_one_key_alone(frame: DataFrame) -> None:
    assert Scan(frame, keys={"k": KeyCheck((F.col("k"), F.col("v")))}).run().keys == {"k": KeyCount(5, 0)}


def test_a_broken_aggregate_or_key_costs_no_other(frame: DataFrame) -> None:
    scan = Scan(frame)
    scan.values |= {"rows": count_where(None), "cast": F.sum(F.col("v").cast("int")), "absent": F.max("nope"),
                    "ids": F.max("id")}
    scan.keys |= {name: KeyCheck((F.col(name),)) for name in ("id", "nope", "k")}
    found = scan.run()
    assert found.values == {"rows": 5, "ids": 5}
    assert set(found.keys) == {"id", "k"}
    assert set(found.errors) == {"cast", "absent", "nope"}


def test_duplicates_are_counted_exactly(frame: DataFrame) -> None:
    found = duplicates(frame, KeyCheck((F.col("k"),)), 20)
    assert (found.rows, found.surplus) == (4, 2)
    assert sorted(map(tuple, found.sample), key=str) == [("a", 2), (None, 2)]
    none = duplicates(frame, KeyCheck((F.col("id"),)), 20)
    assert (none.rows, none.surplus, none.sample) == (0, 0, ())


def test_the_first_values_that_a_condition_keeps(frame: DataFrame) -> None:
    picked = first_values(F.col("id") > 1, [F.col("id"), F.col("v")], 2)
    found = with_position(frame).agg(picked).collect()[0][0]
    assert [tuple(row) for row in found] == [(2, None), (3, None)]

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from perdure.core.config import DatePart
from perdure.core.errors import PerdureError
from perdure.models import prepare
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def vectors(preparation: prepare.Preparation, rows: Any, encoding: str) -> list[list[float]]:
    found = preparation.apply(rows, [encoding]).select(f"features_{encoding}").collect()
    return [list(row[0].toArray()) for row in found]


def test_every_part_of_a_date_that_the_file_names_is_known() -> None:
    assert list(prepare.PARTS) == list(get_args(DatePart))


def test_usable_columns(spark: SparkSession) -> None:
    rows = spark.sql("""SELECT 1 AS a, 2.5BD AS money, true AS flag, 'x' AS text, current_date() AS day,
        current_timestamp() AS time, array(1) AS list, 1D AS left_out, 'i' AS _interval""")
    assert prepare.usable(rows.schema, ["left_out"]) == {
        "a": "int", "money": "decimal(2,1)", "flag": "boolean", "text": "string"}


def test_medians_indicators_and_categories(spark: SparkSession) -> None:
    rows = spark.sql("""SELECT * FROM VALUES (1D, 1, 'b', true), (3D, 2, 'a', false), (double('NaN'), 3, 'b', true),
        (NULL, 4, NULL, true), (5D, 5, 'a', NULL) AS t (holes, whole, text, flag)""")
    found = prepare.fit(rows, rows.columns)
    assert found.medians == {"holes": 3.0, "whole": 3.0, "flag": 1.0}
    assert found.indicators == ("holes", "flag")
    assert found.categories == {"text": ("a", "b", prepare.MISSING)}
    # Values, then indicators, then categories: `a` and `b` are as frequent, so they stand by name.
    assert vectors(found, rows, "index")[0] == [1, 1, 1, 0, 0, 1]
    assert vectors(found, rows, "onehot")[0] == [1, 1, 1, 0, 0, 0, 1, 0]
    assert vectors(found, rows, "index")[2] == [3, 3, 1, 1, 0, 1]
    assert vectors(found, rows, "index")[3] == [3, 4, 1, 1, 0, 2]
    assert vectors(found, rows, "index")[4] == [5, 5, 1, 0, 1, 0]
    assert found.slots("index") == ["holes", "whole", "flag", "holes", "flag", "text"]
    assert found.slots("onehot") == ["holes", "whole", "flag", "holes", "flag", "text", "text", "text"]


def test_the_rarest_categories_and_unseen_ones_share_a_place(spark: SparkSession) -> None:
    rows = spark.range(0, 2000).selectExpr("concat('c', least(id % 97, 90)) AS text", "'same' AS other")
    found = prepare.fit(rows, ["text", "other"])
    assert len(found.categories["text"]) == prepare.MAX_CATEGORIES
    assert found.categories["text"][0] == "c90"
    assert found.bins == prepare.MAX_CATEGORIES + 1
    rare = spark.sql("SELECT * FROM VALUES ('c90', 'same'), ('c89', 'same'), ('never', 'same') AS t (text, other)")
    assert [row[0] for row in vectors(found, rare, "index")] == [0, 63, 63]
    assert [sum(row[:63]) for row in vectors(found, rare, "onehot")] == [1, 0, 0]
    few = prepare.fit(rows, ["text", "other"], 2)
    assert few.categories == {"text": ("c90", "c0"), "other": ("same",)}
    assert [row[0] for row in vectors(few, rare, "index")] == [0, 2, 2]


def test_columns_of_no_use_are_named(spark: SparkSession) -> None:
    schema = spark.sql("SELECT 1 AS id, timestamp'2024-01-01' AS seen, array(1) AS list, 'x' AS text").schema
    assert prepare.usable(schema, ["id"]) == {"text": "string"}
    assert prepare.unused(schema, ["id"]) == {"seen": "timestamp", "list": "array<int>"}


def test_the_parts_of_dates_and_times_are_inputs(spark: SparkSession) -> None:
    rows = spark.sql("""SELECT * FROM VALUES
        (date'2024-03-03', timestamp'2024-03-03 17:45:00', timestamp_ntz'2023-01-02 05:00'),
        (NULL, NULL, NULL), (date'2024-03-04', timestamp'2024-03-04 17:00:00', timestamp_ntz'2023-12-31 23:59')
        AS t (on, at, `it``s (local)`)""")
    wanted = ("hour", "weekday", "year")
    assert prepare.usable(rows.schema, ["at"], wanted) == {"on": "date", "it`s (local)": "timestamp_ntz"}
    assert prepare.usable(rows.schema, [], []) == {}
    assert prepare.unused(rows.schema, [], ["hour"]) == {"on": "date"}
    found = prepare.fit(rows, rows.columns, dates=wanted)
    assert found.medians == {"year(on)": 2024, "year(at)": 2024, "year(it`s (local))": 2023}
    assert set(found.indicators) == set(found.medians)
    assert found.categories == {
        "weekday(on)": (prepare.MISSING, "0", "6"), "weekday(at)": (prepare.MISSING, "0", "6"),
        "hour(at)": ("17", prepare.MISSING), "weekday(it`s (local))": (prepare.MISSING, "0", "6"),
        "hour(it`s (local))": (prepare.MISSING, "23", "5")}
    assert vectors(found, rows, "index")[0] == [2024, 2024, 2023, 0, 0, 0, 2, 2, 0, 1, 2]
    assert prepare.value("hour(it`s (local))", rows.columns) == "hour(`it``s (local)`)"
    assert prepare.value("hour(at)", ["hour(at)"]) == "`hour(at)`"


def test_strange_names_and_values(spark: SparkSession) -> None:
    rows = spark.sql("""SELECT * FROM VALUES ('o''hare', 1), ('a\\\\b', 2), ('{x}', 3) AS t (`a b`, `c``d.e`)""")
    found = prepare.fit(rows, rows.columns)
    assert [row[0] for row in vectors(found, rows, "index")] == [1, 2, 3]
    assert sorted(row[1] for row in vectors(found, rows, "index")) == [0, 1, 2]


def test_a_column_of_nulls_is_harmless(spark: SparkSession) -> None:
    rows = spark.sql("SELECT CAST(NULL AS DOUBLE) AS number, CAST(NULL AS STRING) AS text FROM range(3)")
    found = prepare.fit(rows, rows.columns)
    assert vectors(found, rows, "index") == [[0, 1, 0]] * 3


def test_no_features_is_an_error(spark: SparkSession) -> None:
    with pytest.raises(PerdureError, match="at least one feature"):
        prepare.fit(spark.range(3), [])


def test_few_jobs(spark: SparkSession) -> None:
    rows = spark.range(100).selectExpr("id AS a", "id % 3 AS b", "concat('x', id % 4) AS c", "concat('y', id % 5) AS d")
    with count_jobs(spark) as count:
        found = prepare.fit(rows, rows.columns)
    assert count.jobs <= 5
    with count_jobs(spark) as count:
        found.apply(rows, ["index", "onehot"])
        found.stages(rows, "onehot")
    assert count.jobs == 0

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from perdure.core.config import Pipeline
from perdure.core.errors import PipelineFileError
from perdure.features.analyse import analyse
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Make = Callable[..., Pipeline]
GOOD = "SELECT id, sold_at, price FROM sales"


def problems(spark: SparkSession, pipeline: Pipeline) -> list[str]:
    with pytest.raises(PipelineFileError) as caught:
        analyse(spark, pipeline)
    return list(caught.value.problems)


def test_the_schema_without_data(spark: SparkSession, make: Make) -> None:
    with count_jobs(spark) as count:
        schema = analyse(spark, make())
    assert schema.simpleString() == ("struct<id:int,sold_at:timestamp,price:double,town:string,one:int,returns:bigint>")
    assert count.jobs == 0
    assert spark.catalog.listTables() == []


def test_a_wrong_column_has_its_line_and_the_nearest_name(spark: SparkSession, make: Make) -> None:
    (problem,) = problems(spark, make("-- comment\nSELECT id, sold_at,\n  s.prise\nFROM sales s"))
    assert problem.startswith("features.sql:3: no column 's.prise' (did you mean 'price'?); near it: ")


def test_each_file_tells_its_own_problem(spark: SparkSession, make: Make) -> None:
    found = problems(spark, make("SELECT id, sold_at, pricee FROM sales", "SELECT shop\nFROM outcome"))
    assert len(found) == 2
    assert found[0].startswith(("returned.sql:2: no table or view 'outcome' (did you mean 'outcomes'?)", "features"))
    assert sorted(problem.split(":")[0] for problem in found) == ["features.sql", "returned.sql"]


def test_what_only_follows_from_another_problem_is_not_told(spark: SparkSession, make: Make) -> None:
    found = problems(spark, make("SELECT id, sold_at FROM sales JOIN returned USING (shop)",
                                 "SELECT shopp FROM outcomes"))
    assert len(found) == 1
    assert found[0].startswith("returned.sql:1: no column 'shopp' (did you mean 'shop'?)")


def test_other_sql_errors(spark: SparkSession, make: Make) -> None:
    (problem,) = problems(spark, make("SELECT id, sold_at,\n  nosuch(price) AS x FROM sales"))
    assert problem.startswith("features.sql:2: no function nosuch")
    (problem,) = problems(spark, make("SELECT id, sold_at,\n\n  CAST(sold_at AS INT) + TRUE AS x FROM sales"))
    assert problem.startswith("features.sql:3: Spark says: ")
    (problem,) = problems(spark, make("SELECT id, sold_at\nFROM sales\nWHERE AND"))
    assert problem.startswith("features.sql")


def test_names_in_the_pipeline_file(spark: SparkSession, make: Make) -> None:
    found = problems(spark, make(
        GOOD, monitor={"slices": ["prices"]},
        model={"task": "binary", "families": ["gbt"], "exclude": ["shop"], "fairness": {"group": "sex"}},
        gate={"slices": [{"slice": "town", "metric": "log_loss", "bound": 1}]},
        features={"sql": "features.sql", "key": "ids", "event_time": "price"}))
    assert found[0].startswith("features.key: the features' SQL gives no column 'ids'")
    assert found[1].startswith("monitor.slices: the features' SQL gives no column 'prices' (did you mean 'price'?)")
    assert found[2].startswith("model.exclude: the features' SQL gives no column 'shop'")
    assert found[3].startswith("model.fairness.group: the features' SQL gives no column 'sex'")
    assert found[4].startswith("gate.slices: the features' SQL gives no column 'town'")
    assert found[5] == "features.event_time: expected a timestamp, 'price' is double"
    assert found[6].startswith("label: no column 'ids' (did you mean 'id'?)")
    assert len(found) == 7


def test_columns_given_twice_or_with_a_kept_name(spark: SparkSession, make: Make) -> None:
    found = problems(spark, make("SELECT id, sold_at, 1 AS a, 2 AS a, 3 AS _x, _available_at FROM sales"))
    assert found == ["features.sql: the column 'a' is given more than once",
                     "features.sql: the column '_x' begins with '_'; such names are kept for this library"]


def test_the_label_is_checked(spark: SparkSession, make: Make) -> None:
    (problem,) = problems(spark, make(GOOD, label={"column": "b", "from": "outcomes", "expression": "bak AND true"}))
    assert problem.startswith("label: no column 'bak' (did you mean 'back'?)")
    (problem,) = problems(spark, make(GOOD, label={"column": "b", "from": "shops", "expression": "town"}))
    assert problem == "label.from: expected a source with an event_time, found 'shops'"

"""What MLflow is given as an input example: values that its JSON can hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from perdure.io.tracking import example_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_decimals_are_doubles(spark: SparkSession) -> None:
    """A feature such as `late * 2.5` is a decimal in Spark."""
    rows = spark.sql("SELECT 2.5 AS `a price`, CAST(NULL AS DECIMAL(10,2)) AS gap, 'x' AS text, 3 AS whole")
    found = example_rows(rows)
    assert json.loads(json.dumps(found.to_dict("records")))[0] | {"gap": None} == {
        "a price": 2.5, "gap": None, "text": "x", "whole": 3}

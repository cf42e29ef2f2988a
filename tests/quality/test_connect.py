"""The same results over Spark Connect, where there is no Java gateway to lean on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import perdure
from perdure.quality.validation import validate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = "id bigint, x double, word string"
ROWS = [(i, None if i % 9 == 0 else float(i % 20), f"w{i % 4}") for i in range(80)] + [(3, 3.0, "w3")]


def of(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


SUITE = {
    "name": "suite",
    "expectations": [
        of("column_values_to_not_be_null", column="x"),
        of("column_values_to_be_between", column="x", max_value=15, row_condition="id > 5", condition_parser="spark"),
        of("column_values_to_be_unique", column="id"),
        of("column_mean_to_be_between", column="x", min_value=1),
        of("column_median_to_be_between", column="x", min_value=1),
        of("column_pair_values_a_to_be_greater_than_b", column_A="id", column_B="x", or_equal=True),
        of("column_unique_value_count_to_be_between", column="word", max_value=3),
        of("column_mean_to_be_between", column="absent"),
    ],
}
PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
from perdure.quality import quantiles
from perdure.quality.validation import validate
quantiles.MANY = 10
rows, schema, suite = json.load(sys.stdin)
spark = SparkSession.builder.remote("local[2]").getOrCreate()
found = validate(spark.createDataFrame([tuple(row) for row in rows], schema), suite, key=["id"])
print("RESULT" + json.dumps([type(spark).__module__, found.result["results"], found.counts.good]))
spark.stop()
"""


@pytest.mark.cluster
def test_connect_gives_the_same_results(spark: SparkSession) -> None:
    library = str(Path(perdure.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": library, "SPARK_LOCAL_IP": "127.0.0.1"}
    environment.pop("PYSPARK_GATEWAY_PORT", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps([ROWS, SCHEMA, SUITE]), env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )
    lines = [line for line in done.stdout.splitlines() if "RESULT" in line]
    assert lines, done.stderr[-3000:]
    module, results, good = json.loads(lines[0].partition("RESULT")[2])
    here = validate(spark.createDataFrame(ROWS, SCHEMA), SUITE, key=["id"])
    assert "connect" in module
    assert verdicts(results) == verdicts(here.result["results"])
    assert good == here.counts.good == len(ROWS) - here.counts.quarantined - here.counts.duplicates


def verdicts(results: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["success"], json.dumps(one["result"], sort_keys=True)) for one in results]

"""What `validate` promises besides equality with stock: isolation, no traces, JSON, few jobs."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.quality.validation import validate
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def of(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


def suite(*expectations: dict[str, Any]) -> dict[str, Any]:
    return {"name": "suite", "expectations": list(expectations)}


QUANTILES = of(
    "column_quantile_values_to_be_between",
    column="x",
    quantile_ranges={"quantiles": [0.1, 0.5, 0.9], "value_ranges": [[0, 20], [40, 60], [None, 50]]},
)


@pytest.fixture(scope="module")
def batch(spark: SparkSession) -> DataFrame:
    rows = [(i, float(i), "a" if i % 2 else "b") for i in range(100)]
    return spark.createDataFrame(rows, "id bigint, x double, word string").coalesce(1)


def test_quantiles_are_exact_and_json(batch: DataFrame) -> None:
    found = validate(batch, suite(QUANTILES))
    (result,) = found.result["results"]
    assert json.loads(json.dumps(found.result))["success"] is False
    # Stock gives Spark's approxQuantile with error 0, and then can't serialise the verdict.
    assert result["result"]["observed_value"]["values"] == batch.approxQuantile("x", [0.1, 0.5, 0.9], 0.0)
    assert result["result"]["details"]["success_details"] == [True, True, False]


def test_broken_expectations_hide_nothing(batch: DataFrame) -> None:
    given = suite(
        of("column_values_to_be_between", column="x", min_value=0),
        of("no_such_thing", column="x"),
        of("column_values_to_be_between", column="x"),
        of("column_values_to_match_regex", column="word", regex="("),
        of("column_values_to_be_between", column="word", min_value=1),
        of("column_mean_to_be_between", column="gone", min_value=1),
        of("multicolumn_sum_to_equal", column_list=["id", "word"], sum_total=1),
        of("column_max_to_be_between", column="id", max_value=99),
        {"type": "expect_column_to_exist", "kwargs": {"column": "x", "nonsense": 1}},
    )
    found = validate(batch, given)
    assert [one["success"] for one in found.result["results"]] == [True, *[False] * 6, True, False]
    assert found.result["statistics"]["successful_expectations"] == 2
    assert [line.passed for line in found.gate.lines] == [True, *[False] * 6, True, False]
    broken = [line for line in found.gate.lines if not line.passed]
    assert all(line.measured.startswith("could not be judged: ") and len(line.measured) > 25 for line in broken)
    assert not found.gate.passed


def test_the_results_keep_the_suites_order_and_wording(batch: DataFrame) -> None:
    given = [of("column_to_exist", column="word"), of("table_row_count_to_equal", value=100),
             {**of("column_to_exist", column="x"), "severity": "info", "meta": {"why": "a model needs it"}}]
    results = validate(batch, suite(*given)).result["results"]
    assert [one["expectation_config"]["type"] for one in results] == [one["type"] for one in given]
    assert results[2]["expectation_config"]["meta"] == {"why": "a model needs it"}
    assert results[2]["expectation_config"]["severity"] == "info"


def test_no_files_no_noise_nothing_cached(
    batch: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG, logger="great_expectations")
    logging.getLogger("great_expectations").setLevel(logging.DEBUG)
    validate(batch, suite(of("column_mean_to_be_between", column="gone"), QUANTILES))
    assert os.listdir(tmp_path) == []
    assert "".join(capfd.readouterr()) == ""
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []
    assert not batch.storageLevel.useMemory


def test_an_unreadable_batch_raises(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(3).write.parquet(f"{tmp_path}/rows")
    gone = spark.read.parquet(f"{tmp_path}/rows")
    shutil.rmtree(tmp_path / "rows")
    with pytest.raises(Exception, match=r"FILE_NOT_EXIST|does not exist"):
        validate(gone, suite(of("column_values_to_not_be_null", column="id")))


def test_thirty_expectations_take_few_jobs(batch: DataFrame, spark: SparkSession) -> None:
    many = [of("column_values_to_be_between", column="x", min_value=0, max_value=100 + i) for i in range(12)]
    many += [of("column_values_to_not_be_null", column=name) for name in ("id", "x", "word")]
    many += [of(f"column_{name}_to_be_between", column="x", min_value=0) for name in ("mean", "max", "sum", "median")]
    many += [of("column_values_to_be_unique", column="id")]
    many += [of("compound_columns_to_be_unique", column_list=["id", "x"])]
    many += [of("column_unique_value_count_to_be_between", column="word", max_value=2), QUANTILES]
    many += [of("column_pair_values_a_to_be_greater_than_b", column_A="id", column_B="x", or_equal=True)]
    many += [of("column_values_to_be_in_set", column="word", value_set=["a"]) for _ in range(4)]
    with count_jobs(spark) as count:
        found = validate(batch, suite(*many), key=["id"])
    assert count.jobs <= 10
    assert found.result["statistics"]["evaluated_expectations"] == len(many)
    assert found.counts.quarantined == 50

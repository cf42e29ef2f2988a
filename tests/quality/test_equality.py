"""The fused engine against stock Great Expectations: same suite, same rows, same results, one by one."""

from __future__ import annotations

import datetime
import decimal
import json
import logging
import math
import os
from typing import TYPE_CHECKING, Any

import pytest

from perdure.quality import quantiles
from perdure.quality.judge import RESULT_FORMAT
from perdure.quality.validation import validate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = (
    "id bigint, grp int, x double, whole int, price decimal(10,2), name string, day date, at timestamp, "
    "flag boolean, empty string, a double, b double"
)


def rows() -> list[tuple[Any, ...]]:
    """Sixty rows with nulls, NaN, negative zero, ties and one duplicate id."""
    found: list[tuple[Any, ...]] = []
    for i in range(60):
        x = None if i % 10 == 0 else (math.nan if i == 7 else (-0.0 if i == 8 else float(i * i % 37)))
        found.append(
            (
                i if i != 59 else 58,
                i % 4 if i % 13 else None,
                x,
                i % 9,
                decimal.Decimal(i) / 4 if i % 6 else None,
                f"n{i % 7}" if i % 11 else None,
                datetime.date(2013, 1, 1 + i % 28),
                datetime.datetime(2013, 1, 1 + i % 28, i % 24),  # noqa: DTZ001 - the session's zone is UTC
                i % 2 == 0,
                None,
                float(i) if i % 5 else None,
                float(i - i % 3) if i % 7 else None,
            )
        )
    return found


def of(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


def where(condition: str, **kwargs: Any) -> dict[str, Any]:
    return {**kwargs, "row_condition": condition, "condition_parser": "spark"}


ROWS = [
    of("column_values_to_not_be_null", column="x"),
    of("column_values_to_not_be_null", column="id"),
    of("column_values_to_not_be_null", column="x", mostly=0.85),
    of("column_values_to_not_be_null", **where("grp = 1", column="x")),
    of("column_values_to_be_null", column="empty"),
    of("column_values_to_be_null", column="name", mostly=0.01),
    of("column_values_to_be_between", column="x", min_value=1, max_value=30),
    of("column_values_to_be_between", column="x", min_value=1, max_value=30, strict_min=True, mostly=0.5),
    of("column_values_to_be_between", column="price", max_value=10),
    of("column_values_to_be_between", column="whole", min_value=0, max_value=8),
    of("column_values_to_be_between", column="day", min_value="2013-01-03", max_value="2013-01-20"),
    of("column_values_to_be_between", column="name", min_value=1, max_value=2),
    of("column_values_to_be_between", column="empty", min_value="2013-01-03", max_value="2013-01-20"),
    of("column_values_to_be_between", **where("grp = 2 or grp is null", column="x", min_value=5)),
    of("column_values_to_be_between", **where("grp = 99", column="x", min_value=5)),
    of("column_values_to_be_in_set", column="name", value_set=["n1", "n2", "n3"]),
    of("column_values_to_be_in_set", column="name", value_set=[f"n{i}" for i in range(7)]),
    of("column_values_to_be_in_set", column="whole", value_set=[1, 2], mostly=0.1),
    of("column_values_to_not_be_in_set", column="name", value_set=["n1"]),
    of("column_values_to_match_regex", column="name", regex="^n[0-5]$"),
    of("column_values_to_not_match_regex", column="name", regex="6"),
    of("column_values_to_match_regex_list", column="name", regex_list=["1", "2"], match_on="any"),
    of("column_values_to_not_match_regex_list", column="name", regex_list=["1", "2"]),
    of("column_value_lengths_to_equal", column="name", value=2),
    of("column_value_lengths_to_be_between", column="name", min_value=3),
    of("column_values_to_be_of_type", column="x", type_="DoubleType"),
    of("column_values_to_be_in_type_list", column="id", type_list=["LongType", "IntegerType"]),
    of("column_value_z_scores_to_be_less_than", column="whole", threshold=1.5, double_sided=True, mostly=0.9),
    of("column_values_to_be_increasing", column="id"),
    of("column_values_to_be_json_parseable", column="name"),
    of("column_values_to_match_strftime_format", column="name", strftime_format="n%d"),
    of("column_values_to_not_be_outliers", column="whole", method="iqr", multiplier=1.5),
    of("column_values_to_match_like_pattern", column="name", like_pattern="n%"),
    of("column_pair_values_a_to_be_greater_than_b", column_A="a", column_B="b"),
    of("column_pair_values_a_to_be_greater_than_b", column_A="a", column_B="b", or_equal=True),
    of("column_pair_values_to_be_equal", column_A="a", column_B="b", mostly=0.3),
    of("column_pair_values_to_be_equal", column_A="a", column_B="b", ignore_row_if="either_value_is_missing"),
    of("column_pair_values_to_be_in_set", column_A="whole", column_B="grp", value_pairs_set=[[1, 1], [2, 2]]),
    of("multicolumn_sum_to_equal", column_list=["a", "b"], sum_total=10),
    of("select_column_values_to_be_unique_within_record", column_list=["a", "b"]),
]
KEYS = [
    of("column_values_to_be_unique", column="id"),
    of("column_values_to_be_unique", column="name"),
    of("column_values_to_be_unique", column="empty"),
    of("column_values_to_be_unique", **where("id < 50", column="id")),
    of("column_values_to_be_unique", column="x", mostly=0.5),
    of("compound_columns_to_be_unique", column_list=["id", "day"]),
    of("compound_columns_to_be_unique", column_list=["grp", "whole"]),
    of("compound_columns_to_be_unique", column_list=["grp", "name"], ignore_row_if="any_value_is_missing"),
    of("compound_columns_to_be_unique", column_list=["id", "whole"], ignore_row_if="never"),
]
TABLE = [
    of("table_row_count_to_be_between", min_value=10, max_value=100),
    of("table_row_count_to_equal", value=61),
    of("table_row_count_to_be_between", **where("grp = 1", min_value=1, max_value=5)),
    of("table_column_count_to_equal", value=12),
    of("table_columns_to_match_set", column_set=["id", "grp"], exact_match=False),
    of("table_columns_to_match_ordered_list", column_list=["id", "x"]),
    of("column_to_exist", column="grp"),
    of("column_to_exist", column="absent"),
    of("column_mean_to_be_between", column="whole", min_value=1, max_value=5),
    of("column_mean_to_be_between", **where("grp = 1", column="a", min_value=1)),
    of("column_mean_to_be_between", column="name", min_value=1),
    of("column_mean_to_be_between", column="price", max_value=5),
    of("column_max_to_be_between", column="whole", max_value=8),
    of("column_max_to_be_between", column="at", max_value="2013-01-30T00:00:00"),
    of("column_max_to_be_between", column="empty", max_value="2013-01-30"),
    of("column_min_to_be_between", column="day", min_value="2013-01-02"),
    of("column_min_to_be_between", **where("grp = 99", column="a", min_value=1)),
    of("column_sum_to_be_between", column="whole", max_value=1000),
    of("column_sum_to_be_between", **where("name = 'n1'", column="price", max_value=1)),
    of("column_stdev_to_be_between", column="a", min_value=1, max_value=30),
    of("column_median_to_be_between", column="whole", min_value=4, max_value=4),
    of("column_median_to_be_between", column="a", min_value=1),
    of("column_median_to_be_between", column="id", min_value=1),
    of("column_median_to_be_between", column="price", min_value=1),
    of("column_median_to_be_between", column="empty", min_value=1),
    of("column_median_to_be_between", **where("grp = 1", column="a", min_value=1)),
    of("column_unique_value_count_to_be_between", column="name", min_value=7, max_value=7),
    of("column_unique_value_count_to_be_between", column="empty", max_value=0),
    of("column_proportion_of_unique_values_to_be_between", column="name", max_value=0.5),
    of("column_proportion_of_non_null_values_to_be_between", column="x", min_value=0.95),
    of("column_distinct_values_to_be_in_set", column="name", value_set=["n1"]),
    of("column_distinct_values_to_contain_set", column="name", value_set=["n1", "n2"]),
    of("column_distinct_values_to_equal_set", column="flag", value_set=[True, False]),
    of("column_most_common_value_to_be_in_set", column="grp", value_set=[1, 2, 3]),
    of("column_values_to_be_between", column="absent", min_value=1),
    of("column_mean_to_be_between", column="absent", min_value=1),
    of("column_values_to_be_unique", column="absent"),
]


def stock(batch: DataFrame, expectations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stock results, one validation an expectation, so that a broken one hides nothing; None where even that raises."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_spark("stock", persist=False)
    definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    found = definition.get_batch(batch_parameters={"dataframe": batch})
    suite = gx.ExpectationSuite(
        name="suite",
        expectations=[{**one, "meta": {"place": place}} for place, one in enumerate(expectations)],
    )
    results = found.validate(suite, result_format=RESULT_FORMAT)
    placed = {one.expectation_config.meta["place"]: one for one in results.results}
    return [placed[place].to_json_dict() for place in range(len(expectations))]


def comparable(result: dict[str, Any], expectation: dict[str, Any]) -> dict[str, Any]:
    """What must be equal. Which repeated keys are shown is arbitrary in stock GE (an order after a shuffle)."""
    found = dict(result["result"])
    if "unique" in expectation["type"] and "within_record" not in expectation["type"]:
        found.pop("partial_unexpected_list", None)
        found.pop("partial_unexpected_counts", None)
    found.pop("details", None)
    return {"success": result["success"], "result": rounded(json.loads(json.dumps(found)))}


def rounded(value: Any) -> Any:
    """Floats to twelve digits: sums are added in another order."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float) and math.isfinite(value) else str(value)


@pytest.fixture(scope="module")
def batch(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(rows(), SCHEMA).coalesce(1)


@pytest.mark.parametrize(
    ("expectations", "many"), [(ROWS, 10**6), (KEYS, 10**6), (TABLE, 10**6), (TABLE, 1)],
    ids=["rows", "keys", "table", "table as if it had many rows"])  # fmt: skip
def test_results_equal_those_of_stock_great_expectations(
    batch: DataFrame, expectations: list[dict[str, Any]], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantiles, "MANY", many)
    ours = validate(batch, {"name": "suite", "expectations": expectations}).result["results"]
    differing = [
        (expectation, comparable(our, expectation), comparable(their, expectation), our["exception_info"])
        for expectation, our, their in zip(expectations, ours, stock(batch, expectations), strict=True)
        if comparable(our, expectation) != comparable(their, expectation)
    ]
    assert not differing, "\n".join(map(str, differing))

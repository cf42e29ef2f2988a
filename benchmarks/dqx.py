"""A suite's checks as Databricks Labs' DQX has them, for `quality.py`: install databricks-labs-dqx into the environment
(it isn't part of any extra). It judges row by row, so `mostly` has no counterpart; an aggregate's two bounds are two of
its checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Given = Mapping[str, Any]
AGGREGATES = {"mean": "avg", "max": "max", "stdev": "stddev", "median": "median"}
CHECKS: dict[str, tuple[str, Callable[[Given], dict[str, Any]]]] = {
    "table_row_count_to_be_between": (
        "is_aggr_not_less_than", lambda given: {"column": "*", "aggr_type": "count", "limit": given["min_value"]}),
    "values_to_not_be_null": ("is_not_null", lambda given: {"column": given["column"]}),
    "values_to_be_unique": ("is_unique", lambda given: {"columns": [given["column"]]}),
    "values_to_be_in_set": (
        "is_in_list", lambda given: {"column": given["column"], "allowed": [f"'{one}'" for one in given["value_set"]]}),
    "values_to_match_regex": ("regex_match", lambda given: {"column": given["column"], "regex": given["regex"]}),
    "values_to_be_between": (
        "is_in_range", lambda given: {"column": given["column"], "min_limit": given["min_value"],
                                      "max_limit": given["max_value"]}),
    "value_lengths_to_equal": (
        "sql_expression", lambda given: {"expression": f"length({given['column']}) = {given['value']}"}),
    "value_lengths_to_be_between": (
        "sql_expression", lambda given: {"expression": f"length({given['column']}) BETWEEN {given['min_value']} "
                                                       f"AND {given['max_value']}"}),
    "pair_values_a_to_be_greater_than_b": (
        "sql_expression", lambda given: {"expression": f"{given['column_A']} > {given['column_B']}"}),
}  # fmt: skip


def there() -> bool:
    """Whether it is installed."""
    try:
        return find_spec("databricks.labs.dqx") is not None
    except ModuleNotFoundError:
        return False


def runner(spark: SparkSession, rows: DataFrame, entries: Iterable[Given]) -> Callable[[], Any]:
    """Judges every row and counts those with errors and with warnings; needs no workspace."""
    from unittest.mock import MagicMock

    from databricks.labs.dqx.engine import DQEngine
    from databricks.sdk import WorkspaceClient

    engine = DQEngine(MagicMock(spec=WorkspaceClient), spark)
    checks = [each for entry in entries for each in translated(entry)]

    def run() -> Any:
        judged = engine.apply_checks_by_metadata(rows, checks)
        return judged.selectExpr("count_if(size(_errors) > 0)", "count_if(size(_warnings) > 0)").collect()

    return run


def translated(entry: Given) -> Iterator[dict[str, Any]]:
    """An expectation as DQX's checks."""
    kind, given = entry["type"].removeprefix("expect_column_").removeprefix("expect_"), entry["kwargs"]
    if kind in CHECKS:
        name, arguments = CHECKS[kind]
        found = [(name, arguments(given))]
    else:
        aggregate = {"column": given["column"], "aggr_type": AGGREGATES[kind.split("_")[0]]}
        bounds = {"is_aggr_not_less_than": "min_value", "is_aggr_not_greater_than": "max_value"}
        found = [(name, {**aggregate, "limit": given[bound]}) for name, bound in bounds.items() if bound in given]
    for name, wanted in found:
        yield {"criticality": "error" if entry["severity"] == "critical" else "warn",
               "check": {"function": name, "arguments": wanted}}

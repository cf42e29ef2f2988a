"""The validate step on real rows: what goes on, what is quarantined and why, and that the count closes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Source
from perdure.core.interval import Duration, Interval
from perdure.core.protocols import StepResult
from perdure.steps.validate import validate
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = (
    "id bigint, at timestamp, kind string, amount double, _file string, _line bigint, _record string, _reject string"
)
JANUARY = Interval.parse("2013-01", Duration(1, "month"))
COLUMNS = {"id": "bigint", "at": "timestamp", "kind": "string", "amount": "double"}


def source(**changes: Any) -> Source:
    given = {"format": "csv", "path": "x/{interval}.csv", "schema": COLUMNS, "key": ["id"], "event_time": "at"}
    return Source.model_validate({**given, **changes})


def row(number: int | None, day: int | None = 3, kind: str = "a", amount: float | None = 1.0) -> tuple[Any, ...]:
    at = None if day is None else (datetime(2013, 1, day) if day < 32 else datetime(2013, 2, day - 31))  # noqa: DTZ001
    return (number, at, kind, amount, "x.csv", number, None, None)


def rejected(reason: str) -> tuple[Any, ...]:
    return (None, None, None, None, "x.csv", 9, "1,what,ever", reason)


def suite(*expectations: dict[str, Any]) -> dict[str, Any]:
    return {"name": "suite", "expectations": list(expectations)}


def between(severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    kwargs = {"column": "amount", "min_value": 0, "max_value": 100, **kwargs}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs, "severity": severity}


def run(spark: SparkSession, rows: list[tuple[Any, ...]], given: Any = None, **changes: Any) -> StepResult:
    raw = spark.createDataFrame(rows, SCHEMA)
    return validate(raw, source="sales", config=source(**changes), suite=given, interval=JANUARY)


def written(result: StepResult, table: str) -> DataFrame:
    return next(write.rows for write in result.writes if write.table == table)


def closes(result: StepResult) -> bool:
    """The facts agree with the tables and add up."""
    facts = result.facts
    good, bad = written(result, "sales").count(), written(result, "sales_quarantine").count()
    return (good, bad) == (facts["good"], facts["quarantined"]) and (
        facts["rows_in"] == good + bad + facts["duplicates"]
    )


def test_clean_rows_go_on_unmarked(spark: SparkSession) -> None:
    result = run(spark, [row(1), row(2)], suite(between()))
    good = written(result, "sales")
    assert good.columns == ["id", "at", "kind", "amount", "_warnings"]
    assert [found["_warnings"] for found in good.collect()] == [[], []]
    assert written(result, "sales_quarantine").columns == [
        *COLUMNS, "_id", "_file", "_line", "_record", "_failures"]
    assert result.gate is not None
    assert result.gate.passed
    assert not result.gate.failures
    assert result.facts["result"]["success"] is True
    assert closes(result)


def test_own_rules_quarantine_with_reasons(spark: SparkSession) -> None:
    rows = [row(1), rejected("not a number"), row(2, day=None), row(3, day=40), row(None)]
    result = run(spark, rows)
    failures = [found["_failures"] for found in written(result, "sales_quarantine").collect()]
    assert [len(found) for found in failures] == [1, 1, 1, 1]
    assert {(f["expectation"], f["column"], f["value"], f["severity"]) for (f,) in failures} == {
        ("event_time_in_interval", "at", "2013-02-09 00:00:00", "critical"),
        ("event_time_in_interval", "at", None, "critical"),
        ("key_not_null", "id", None, "critical"),
        ("parse", None, "not a number", "critical"),
    }
    assert result.facts["quarantined"] == 4
    assert result.facts["result"] == {}
    assert closes(result)


def test_other_intervals_rows_are_left_out_where_files_hold_several(spark: SparkSession) -> None:
    result = run(spark, [row(1), row(2, day=40), row(3, day=None)], path="x/all.csv")
    assert (result.facts["rows_in"], result.facts["quarantined"]) == (2, 1)
    assert closes(result)


def test_a_static_source_has_no_interval(spark: SparkSession) -> None:
    result = run(spark, [row(1), row(2, day=40), row(3, day=None)], path="x/all.csv", event_time=None)
    assert (result.facts["rows_in"], result.facts["good"]) == (3, 3)


def test_critical_rows_leave_and_warnings_stay_marked(spark: SparkSession) -> None:
    rules = suite(between(), between("warning", column="amount", max_value=10), between("info", max_value=5))
    result = run(spark, [row(1), row(2, amount=20.0), row(3, amount=200.0), row(4, amount=None)], rules)
    marked = {found["id"]: [f["severity"] for f in found["_warnings"]] for found in written(result, "sales").collect()}
    assert marked == {1: [], 2: ["warning"], 4: []}
    (bad,) = written(result, "sales_quarantine").collect()
    assert [(f["severity"], f["value"], len(f["rule"])) for f in bad["_failures"]] == [
        ("critical", "200.0", 12), ("warning", "200.0", 12)]
    assert (bad["id"], bad["_file"], bad["_line"]) == (3, "x.csv", 3)
    assert closes(result)


def test_the_least_of_equal_keys_stays_whatever_the_order(spark: SparkSession) -> None:
    rows = [row(1, kind="b"), row(1, kind="a"), row(2), row(2), row(2), row(3)]
    for given in (rows, rows[::-1]):
        result = run(spark, given)
        kept = sorted((found["id"], found["kind"]) for found in written(result, "sales").collect())
        assert kept == [(1, "a"), (2, "a"), (3, "a")]
        assert result.facts["duplicates"] == 3
        assert closes(result)


def test_a_bad_row_never_displaces_a_good_one_of_its_key(spark: SparkSession) -> None:
    result = run(spark, [row(1, amount=-5.0), row(1, amount=5.0)], suite(between()))
    assert [found["amount"] for found in written(result, "sales").collect()] == [5.0]
    assert (result.facts["duplicates"], result.facts["quarantined"]) == (0, 1)
    assert closes(result)


def test_a_uniqueness_expectation_quarantines_every_row_that_shares_the_value(spark: SparkSession) -> None:
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "amount"}}
    rows = [row(1), row(2), row(3, amount=2.0), row(4, amount=None), row(5, amount=None), row(6, day=40)]
    result = run(spark, rows, suite(unique))
    assert sorted(found["id"] for found in written(result, "sales").collect()) == [3, 4, 5]
    assert closes(result)


@pytest.mark.parametrize(
    ("expectation", "on_failure", "passes", "severity"),
    [
        (between(), "quarantine", True, "warning"),
        (between(), "fail", False, "critical"),
        (between(mostly=0.9), "quarantine", False, "critical"),
        (between(mostly=0.4), "quarantine", True, None),
        (between("warning"), "fail", True, "warning"),
        ({"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 9}}, "quarantine", False, "critical"),
        (
            {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "max_value": 9},
             "severity": "warning"}, "fail", True, "warning",
        ),
    ],
)
def test_the_gate(
    spark: SparkSession, expectation: dict[str, Any], on_failure: str, passes: bool, severity: str | None
) -> None:
    result = run(spark, [row(1), row(2, amount=200.0)], suite(expectation), on_failure=on_failure)
    assert result.gate is not None
    assert result.gate.passed is passes
    assert [line.severity for line in result.gate.failures] == ([severity] if severity else [])


def test_own_rules_stop_a_source_that_wants_to_fail(spark: SparkSession) -> None:
    result = run(spark, [row(1), rejected("no")], on_failure="fail")
    assert result.gate is not None
    assert not result.gate.passed


def test_an_undefined_column_is_named_and_the_others_are_judged(spark: SparkSession) -> None:
    result = run(spark, [row(1), row(2, amount=200.0)], suite(between(column="nope"), between()))
    assert result.gate is not None
    broken, other = (line for line in result.gate.lines if "values" in line.rule)
    assert not broken.passed
    assert broken.severity == "critical"
    assert "nope" in broken.measured
    assert "1 of 2 rows fail (50 %), such as 200.0; rows quarantined" in other.measured
    assert closes(result)


def test_no_rows_at_all(spark: SparkSession) -> None:
    result = run(spark, [], suite(between()))
    assert result.facts["rows_in"] == 0
    assert closes(result)


def test_few_jobs_without_and_with_failures(spark: SparkSession, tmp_path: Any) -> None:
    spark.createDataFrame([row(number) for number in range(50)], SCHEMA).coalesce(1).write.parquet(f"{tmp_path}/raw")
    raw = spark.read.schema(SCHEMA).parquet(f"{tmp_path}/raw")
    rules = suite(between(), {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount"}})
    with count_jobs(spark) as clean:
        validate(raw, source="sales", config=source(), suite=rules, interval=JANUARY)
    with count_jobs(spark) as failing:
        validate(raw, source="sales", config=source(), suite=suite(between(max_value=0.5)), interval=JANUARY)
    assert clean.jobs <= 5
    assert failing.jobs <= 7


def test_a_suite_about_the_columns_sees_the_declared_ones_alone(spark: SparkSession) -> None:
    ordered = {"type": "expect_table_columns_to_match_ordered_list", "kwargs": {"column_list": list(COLUMNS)}}
    count = {"type": "expect_table_column_count_to_equal", "kwargs": {"value": len(COLUMNS)}}
    result = run(spark, [row(1)], suite(ordered, count))
    assert result.gate is not None
    assert not result.gate.failures


def test_the_newest_version_of_a_key_stays(spark: SparkSession) -> None:
    rows = [row(1, kind="a", amount=1.0), row(1, kind="b", amount=3.0), row(1, kind="c", amount=2.0)]
    for given in (rows, rows[::-1]):
        result = run(spark, given, version="amount")
        assert [found["kind"] for found in written(result, "sales").collect()] == ["b"]
        assert closes(result)


def test_columns_that_were_let_in_go_along(spark: SparkSession) -> None:
    raw = spark.createDataFrame([row(1), row(2, amount=200.0)], SCHEMA).selectExpr("*", "'x' AS shop")
    result = validate(raw, source="sales", config=source(), suite=suite(between()), interval=JANUARY, run_id="r1")
    assert [found["shop"] for found in written(result, "sales").collect()] == ["x"]
    (bad,) = written(result, "sales_quarantine").collect()
    assert (bad["shop"], bad["_failures"][0]["run"], len(bad["_id"])) == ("x", "r1", 16)
    assert '"amount":200.0' in bad["_record"]

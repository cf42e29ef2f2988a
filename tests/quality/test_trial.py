"""Suggestions from rows, tried on others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from perdure.quality.facts import facts
from perdure.quality.trial import Suggestion, suggest
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = {"id": "bigint", "code": "string", "kind": "string", "price": "double", "at": "timestamp",
           "odd one": "string", "gap": "int", "rare": "string", "day": "decimal(9,2)", "raw": "binary"}  # fmt: skip
ROWS = 6000


@pytest.fixture(scope="module")
def orders(spark: SparkSession) -> DataFrame:
    """`rare`: nearly always the same; each other value stands there once."""
    return spark.range(0, ROWS, 1, 2).selectExpr(
        "id",
        "concat('AB-', lpad(id, 5, '0')) AS code",
        "element_at(array('new', 'used', 'old'), int(id % 3) + 1) AS kind",
        "pmod(xxhash64(id), 10000) / 100D AS price",
        "timestamp'2024-01-01' + make_dt_interval(0, 0, id) AS at",
        "repeat('x', int(id % 50)) AS `odd one`",
        "IF(id % 4 = 0, NULL, int(id % 1000)) AS gap",
        "IF(id % 150 = 7, concat('v', id), 'usual') AS rare",
        "CAST(id % 7 AS decimal(9,2)) AS day",
        "CAST('x' AS binary) AS raw",
    )


@pytest.fixture(scope="module")
def found(orders: DataFrame) -> Suggestion:
    return suggest(orders, COLUMNS, name="orders", required=("id",))


def rules(found: Suggestion, column: str) -> dict[str, Any]:
    return {entry["type"].removeprefix("expect_column_"): entry for entry in found.suite["expectations"]
            if entry["kwargs"]["column"] == column}  # fmt: skip


def test_facts_are_those_of_the_rows(orders: DataFrame) -> None:
    told = facts(orders, COLUMNS)
    assert set(told) == set(COLUMNS) - {"raw"}
    assert (told["id"].unique, told["id"].low, told["id"].high, told["id"].rows) == (True, 0, ROWS - 1, ROWS)
    assert dict(told["kind"].values) == {"new": 2000, "used": 2000, "old": 2000}
    assert (dict(told["code"].shapes), told["code"].exact) == ({"AA-99999": ROWS}, True)
    assert (told["gap"].nulls, told["gap"].unique) == (1500, False)
    assert (told["at"].low, told["at"].high) == ("2024-01-01T00:00:00", "2024-01-05T03:59:00")
    assert (told["odd one"].shortest, told["odd one"].longest, told["odd one"].exact) == (0, 49, False)


def test_rules_for_every_kind_of_column(found: Suggestion) -> None:
    assert set(rules(found, "id")) == {"values_to_not_be_null", "values_to_be_unique", "values_to_be_between"}
    assert rules(found, "id")["values_to_not_be_null"]["severity"] == "critical"
    assert rules(found, "code")["values_to_match_regex"]["kwargs"]["regex"] == "^[A-Z]{2}\\-[0-9]{5}$"
    assert rules(found, "kind")["values_to_be_in_set"]["kwargs"]["value_set"] == ["new", "old", "used"]
    assert rules(found, "gap")["values_to_not_be_null"]["kwargs"]["mostly"] == pytest.approx(0.74, abs=0.01)
    assert found.seen + found.held_out == ROWS
    assert 0.15 < found.held_out / ROWS < 0.25


def test_confidence_is_told_from_rows_that_a_rule_did_not_come_from(found: Suggestion) -> None:
    meta = rules(found, "kind")["values_to_be_in_set"]["meta"]
    assert meta["held_out"] == {"rows": found.held_out, "failed": 0}
    assert meta["confidence"] == pytest.approx(0.05 ** (1 / found.held_out), abs=1e-4)


def test_what_does_not_hold_elsewhere_is_softened_or_dropped(found: Suggestion, orders: DataFrame) -> None:
    entry = rules(found, "rare")["values_to_be_in_set"]
    assert entry["meta"]["held_out"]["failed"] > 0
    assert 0.9 <= entry["kwargs"]["mostly"] < 1
    assert "held-out rows failed, so mostly" in entry["meta"]["reason"]
    wild = orders.selectExpr("IF(id % 4 = 0, concat('v', id), 'usual') AS wild").where("wild = 'usual' OR id < 200")
    dropped = suggest(wild, {"wild": "string"}, name="wild").dropped
    assert all("held-out rows failed" in why for _, why in dropped)


def test_again_the_same_in_any_order_and_in_few_queries(
    orders: DataFrame, found: Suggestion, spark: SparkSession
) -> None:
    with count_jobs(spark) as count:
        suggest(orders, COLUMNS, name="orders", required=("id",))
    assert count.jobs <= 14
    backwards = orders.orderBy("id", ascending=False)
    again = suggest(backwards, {"kind": "string", "price": "double"}, name="orders")
    assert again.suite["expectations"] == [*rules(found, "kind").values(), *rules(found, "price").values()]


def test_a_share_looks_at_fewer_rows(orders: DataFrame) -> None:
    some = suggest(orders, {"kind": "string"}, name="orders", share=0.2)
    assert 0.1 * ROWS < some.seen + some.held_out < 0.3 * ROWS


def test_no_rows_no_rules(orders: DataFrame) -> None:
    assert suggest(orders.limit(0), COLUMNS, name="orders").suite["expectations"] == []

"""Percentiles by bins: what Spark's own sketch gives, or nearer to the truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from perdure.quality import quantiles as module
from perdure.quality.quantiles import Extent, Quantiles
from perdure.quality.scan import Scan
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

SHARES = (0.0, 0.01, 0.25, 0.5, 0.5 + 1e-9, 0.9, 0.999, 1.0)
ROWS = 20_000
COLUMNS = {
    "even": "id",
    "normal": "randn(1)",
    "whole": "floor(randn(2) * 30)",
    "two": "id % 2",
    "tail": "exp(abs(randn(3)) * 40)",  # nearly all of it in the first bin
    "far": "IF(id = 7, 1e300, randn(4))",
    "huge": "IF(id % 2 = 0, -1.7e308, 1.7e308) * rand(5)",  # further apart than a double can say
    "endless": "IF(id = 9, double('-Infinity'), rand(6))",
    "gaps": "IF(id % 3 = 0, NULL, rand(7))",
    "constant": "3",
    "single": "IF(id = 5, 2.5, NULL)",
    "nothing": "NULL",
}


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    columns = [f"CAST({sql} AS double) AS {name}" for name, sql in COLUMNS.items()]
    return spark.range(0, ROWS, 1, 3).selectExpr(*columns).localCheckpoint()


@pytest.fixture(scope="module")
def truth(rows: DataFrame) -> dict[str, list[float]]:
    return {name: sorted(row[0] for row in rows.select(name).where(f"{name} IS NOT NULL").collect())
            for name in COLUMNS}  # fmt: skip


def answers(frame: DataFrame, error: float, *names: str) -> dict[str, list[float] | None]:
    found = Scan(frame, quantiles={name: Quantiles(F.col(name), SHARES, error) for name in names}).run()
    assert not found.errors
    return found.values


def right(values: list[float], share: float) -> float:
    return values[max(1, math.ceil(share * len(values))) - 1]


@pytest.mark.parametrize("many", [100, 10**9])
def test_both_ways_give_the_values_at_the_ranks(
        rows: DataFrame, truth: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(module, "MANY", many)
    for name, found in answers(rows, 1e-5, *COLUMNS).items():
        assert found == ([right(truth[name], share) for share in SHARES] if truth[name] else None), name


def test_the_error_allowed_is_kept(
        rows: DataFrame, truth: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 100)
    monkeypatch.setattr(module, "BINS", 64)
    for error in (0.02, 0.002):
        for name, found in answers(rows, error, "even", "normal", "tail", "gaps").items():
            values = truth[name]
            for share, value in zip(SHARES, found or (), strict=True):
                ranks = [rank for rank, each in enumerate(values, 1) if each == value]
                wanted = max(1, math.ceil(share * len(values)))
                assert min(abs(rank - wanted) for rank in ranks) <= error * len(values) + 1, (name, share)


def test_queries(rows: DataFrame, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 100)
    jobs = {}
    for names in (("constant", "nothing"), ("two",), ("normal",), ("two", "normal", "tail", "gaps"), ("huge",)):
        with count_jobs(spark) as count:
            answers(rows, 1e-5, *names)
        jobs[names] = count.jobs
    extents, bins, more = jobs["constant", "nothing"], jobs["two",], jobs["normal",]
    assert extents < bins < more == jobs["two", "normal", "tail", "gaps"]
    assert jobs["huge",] <= bins  # Spark's own sketch, straight away


def test_a_broken_column_costs_no_other(rows: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 100)

    def asked(value: Column) -> Quantiles:
        return Quantiles(value, (0.5,), 1e-5)

    scan = Scan(rows, values={"rows": F.count(F.lit(1))}, quantiles={
        "normal": asked(F.col("normal")), "absent": asked(F.col("nope")), "two": asked(F.col("two"))})
    found = scan.run()
    assert set(found.values) == {"rows", "normal", "two"}
    assert set(found.errors) == {"absent"}


def test_when_bins_are_worth_it() -> None:
    wide = Extent(module.MANY, 0.0, 1.0)
    assert wide.many and not wide.constant
    assert not Extent(module.MANY - 1, 0.0, 1.0).many
    assert Extent(module.MANY, 2.0, 2.0).constant
    assert not Extent(module.MANY, -math.inf, 1.0).many
    assert not Extent(module.MANY, -1.7e308, 1.7e308).many
    assert Extent(0, None, None).constant and not Extent(0, None, None).many

"""Plans and scans on Spark: exact, the same however the rows are partitioned, one action each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from perdure.core.errors import UsageError
from perdure.profile import scan as scanning
from perdure.profile.categories import Categories
from perdure.profile.counts import Counts
from perdure.profile.histogram import Histogram
from perdure.profile.moments import Moments
from perdure.profile.profile import ALL, Profile
from perdure.profile.scan import kinds, plan, scan
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(1)
    many = 4_000
    return pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(many)],
            "delay": np.where(random.random(many) < 0.1, np.nan, random.normal(10, 30, many)),
            "hour": random.integers(0, 24, many),
            "rare": (random.random(many) < 0.001).astype(float),
            "origin": random.choice(["EWR", "JFK", "LGA"], many),
            "on time`": random.random(many) < 0.8,
        }
    )


@pytest.fixture(scope="module")
def rows(spark: SparkSession, frame: pd.DataFrame) -> DataFrame:
    df = spark.createDataFrame(frame)
    return df.selectExpr(
        "key",
        "nullif(delay, double('NaN')) delay",
        "hour",
        "rare",
        "origin",
        "`on time```",
        "timestamp '2013-01-01' at",
        "array(1) nested",
    )


def test_kinds(rows: DataFrame) -> None:
    assert kinds(rows, rows.columns) == {
        "key": ("string", "categorical"),
        "delay": ("double", "numeric"),
        "hour": ("bigint", "numeric"),
        "rare": ("double", "numeric"),
        "origin": ("string", "categorical"),
        "on time`": ("boolean", "categorical"),
    }


def test_plan_and_scan(rows: DataFrame, frame: pd.DataFrame, spark: SparkSession) -> None:
    zero = plan(rows, rows.columns)
    with count_jobs(spark) as count:
        found = scan(rows, zero, ["origin", "hour"])
    assert count.jobs == 1
    assert zero.rows == 0
    assert next(iter(found)) == ALL
    assert len(found) == 1 + 3 + 24
    whole = found[ALL]
    assert whole.rows == len(frame)
    assert whole.columns["delay"].need(Counts).nulls == frame["delay"].isna().sum()
    assert whole.columns["delay"].need(Moments).mean == pytest.approx(frame["delay"].mean(), rel=1e-12)
    jfk = frame[frame["origin"] == "JFK"]
    assert found["origin", "JFK"].columns["hour"].need(Moments).deviation == pytest.approx(jfk["hour"].std())
    assert found["hour", "7"].columns["on time`"].need(Categories).counts["true"] == (
        frame[frame["hour"] == 7]["on time`"].sum()
    )


def test_slices_add_up(rows: DataFrame) -> None:
    zero = plan(rows, ["delay", "key", "hour"])
    found = scan(rows, zero, ["origin"], ["origin"])
    parts = [profile for key, profile in found.items() if key != ALL]
    assert parts[0] + parts[1] + parts[2] == found[ALL]


def test_slices_are_coarser(rows: DataFrame) -> None:
    zero = plan(rows, ["delay", "key", "hour"])
    found = scan(rows, zero, ["origin"])
    whole, *parts = (profile.columns["delay"].need(Histogram) for profile in found.values())
    assert len(whole.edges) > 3.5 * len(parts[0].edges)
    total = parts[0] + parts[1] + parts[2]
    below = dict(zip(whole.edges, np.cumsum(whole.counts).tolist(), strict=False))
    assert np.cumsum(total.counts).tolist()[:-1] == [below[edge] for edge in total.edges]
    assert total.edges[-1] == whole.edges[-1], "what the reference never saw stays apart"
    hours = found["origin", "JFK"].columns["hour"].need(Histogram)
    assert hours.edges == found[ALL].columns["hour"].need(Histogram).edges, "few values keep a cell each"


def test_partitions_do_not_matter(rows: DataFrame) -> None:
    columns = ["delay", "hour", "origin", "on time`"]
    one, many = rows.coalesce(1), rows.repartition(5, "key")
    assert plan(many, columns) == plan(rows.repartition(5, "key").sortWithinPartitions("delay"), columns)
    zero = plan(one, columns)
    assert scan(one, zero, ["origin"]) == scan(many, zero, ["origin"])


def test_edges(rows: DataFrame, frame: pd.DataFrame) -> None:
    columns = plan(rows, ["delay", "hour", "rare"]).columns
    hours = columns["hour"].need(Histogram).edges
    assert hours[:-1] == tuple(map(float, range(24)))
    assert columns["rare"].need(Histogram).edges[:-1] == (0.0, 1.0)
    delays = frame["delay"].dropna()
    edges = columns["delay"].need(Histogram).edges
    assert edges[0] == delays.min()
    assert edges[-1] == np.nextafter(delays.max(), np.inf)
    shares = [(delays < edge).mean() for edge in edges]
    assert shares == pytest.approx(np.linspace(0, 1, 401), abs=0.004)


def test_cells_hold_equal_shares(rows: DataFrame) -> None:
    one = rows.coalesce(1)
    whole = scan(one, plan(one, ["delay"]))[ALL].columns["delay"].need(Histogram)
    shares = np.array(whole.counts[1:-1]) / whole.total
    assert shares.max() < 0.004
    assert (whole.counts[0], whole.counts[-1]) == (0, 0)


def test_sample_of_a_partition_does_not_depend_on_order() -> None:
    import pyarrow as pa

    random = np.random.default_rng(2)
    many = 3 * scanning._SAMPLE
    table = pa.table({"x": random.normal(size=many), scanning._ORDER: random.permutation(many)})
    sample = scanning._sampled(table.to_batches())
    shuffled = scanning._sampled(table.take(random.permutation(many)).to_batches())
    assert sample.num_rows == scanning._SAMPLE
    assert sample.sort_by("x") == shuffled.sort_by("x")


def test_empty(rows: DataFrame) -> None:
    nothing = rows.where("hour > 99")
    zero = plan(nothing, ["delay", "origin"])
    assert scan(nothing, zero, ["origin"]) == {ALL: zero}
    assert plan(nothing, ["nested"]) == Profile()


def test_too_many_slices(rows: DataFrame) -> None:
    with pytest.raises(UsageError, match=r"'key' has .*coarser"):
        scan(rows, plan(rows, ["hour"]), ["key"])

"""The domain classifier against NannyML's and scikit-learn's on shared data; what is stored, and what is usual."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from perdure.evaluation import domain

from .make_domain import KINDS, MANY, rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHARED = json.loads(Path(__file__).with_name("domain.json").read_text())
TYPES = {"x": "numeric", "y": "numeric", "z": "numeric", "text": "categorical"}
SCHEMA = "x double, y double, z double, text string"


def keyed(spark: SparkSession, kind: str, seed: int) -> DataFrame:
    """Rows with a key, a gap as null; parts of a third each."""
    frame = rows(kind, seed).astype(object)
    made = frame.where(frame.notna(), None)
    frame = made.assign(key=range(seed * MANY, (seed + 1) * MANY), third=[at * 3 // MANY for at in range(MANY)])
    return spark.createDataFrame(list(frame.itertuples(index=False, name=None)), f"{SCHEMA}, key bigint, third int")


def sampled(rows: DataFrame, many: int = MANY) -> DataFrame:
    return domain.sample(rows, "key", list(TYPES), F.col("third"), many=many)


def test_the_area_is_nannymls_and_scikit_learns(spark: SparkSession) -> None:
    before = sampled(keyed(spark, "same", 0)).localCheckpoint()
    for seed, kind in enumerate(KINDS, 1):
        now = keyed(spark, kind, seed)
        found = domain.separation(before, now, "key", TYPES, 1)
        assert found is not None
        assert found.rows == 2 * MANY
        assert found.area == pytest.approx(SHARED[kind]["forest"], abs=0.03), kind
        assert found.area == pytest.approx(SHARED[kind]["nannyml"], abs=0.05), kind
        assert sum(found.columns.values()) == pytest.approx(1)
        if kind != "same":
            expected = {"apart": {"x", "y"}, "later": {"z"}, "new": {"text"}, "other": {"x", "y", "text"}}[kind]
            assert next(iter(found.columns)) in expected
        if kind == "other":
            assert domain.separation(before, now, "key", TYPES, 1) == found
            first = domain.facts(before, now, "key", TYPES, 1, known=(), false_alarms=0.01)["domain"]
            assert (first["area"], first["high"], first["drifted"]) == (found.area, 0.65, True)


def test_a_sample_is_bounded_and_the_same_whatever_the_order(spark: SparkSession) -> None:
    all_rows = keyed(spark, "same", 0).withColumn("x", F.expr("CASE key WHEN 1 THEN double('inf') ELSE x END"))
    found, again = sampled(all_rows, 300), sampled(all_rows.orderBy(F.desc("key")).repartition(3), 300)
    assert sorted(found.collect()) == sorted(again.collect())
    assert (found.count(), found.columns) == (300, ["key", "part", "row"])
    areas = domain.own(sampled(all_rows), "key", TYPES, 1)
    assert len(areas) == 3
    assert all(0.4 < area < 0.6 for area in areas)
    assert domain.own(found, "key", TYPES, 1) is not None
    assert domain.separation(found, all_rows.limit(99), "key", TYPES, 1) is None


def test_the_bound_follows_the_references_own() -> None:
    assert domain.bound([], 0.01) == domain.bound([0.9, 0.9], 0.01) == 0.65
    calm, wild = (domain.bound(known, 0.01) for known in ([0.5, 0.51, 0.52], [0.5, 0.6, 0.7]))
    assert 0.51 < calm < wild
    assert domain.bound([0.5, 0.51, 0.52], 0.1) < calm
    # Student's t with two degrees of freedom at 0.99: 6.964557 (scipy, tables)
    assert calm == pytest.approx(0.51 + 6.964557 * 0.01 * math.sqrt(4 / 3), rel=1e-5)

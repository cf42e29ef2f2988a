"""Reweighing on real, biased data: who works, among adults with and without a disability."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError, UsageError
from perdure.steps.evaluate import evaluate
from perdure.steps.train import train

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CUT = datetime(2024, 1, 11, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def people(spark: SparkSession) -> DataFrame:
    """Spread evenly over ten days; the label stands beside the features."""
    schema = "id bigint, age int, schooling string, marital string, sex string, disabled string, label double"
    rows = spark.read.csv(str(Path(__file__).with_name("census.csv.gz")), schema=schema, header=True)
    return rows.withColumn("at", _expr("timestamp'2024-01-01' + make_dt_interval(0, 0, 0, id * 144)")).localCheckpoint()


def life(parcels: Callable[..., Pipeline], family: str, **model: Any) -> Pipeline:
    return parcels(model={"task": "binary", "families": [family], "tune": {"trials": 1}, **model},
                   monitor={"slices": []}, gate={})


def tables(people: DataFrame) -> tuple[DataFrame, DataFrame]:
    return people.drop("label"), people.selectExpr("id", "at", "label", "at AS available_at")


@pytest.mark.parametrize("family", ["logistic_regression", "gbt"])
def test_groups_are_treated_more_alike_and_the_cost_is_told(
        people: DataFrame, parcels: Callable[..., Pipeline], family: str) -> None:
    pipeline = life(parcels, family, fairness={"group": "disabled"})
    done = train(*tables(people), pipeline=pipeline, cut=CUT)
    done.value.release()
    told = json.loads(json.dumps(done.facts["mitigation"]))
    before, after = told["before"], told["after"]
    name = "demographic_parity_difference"
    assert before["fairness"][name] > 0.35
    assert after["fairness"][name] < 0.6 * before["fairness"][name]
    assert before["rows"] == after["rows"] > 600
    assert sum(group["rows"] for group in after["groups"]) == after["rows"]
    # What it costs: the model is a little less right, and says how much.
    assert told["cost"]["log_loss"] == pytest.approx(after["metrics"]["log_loss"] - before["metrics"]["log_loss"])
    assert 0 < told["cost"]["log_loss"] < 0.1
    assert {(each["group"], each["label"]): each["weight"] > 1 for each in told["weights"]} == {
        ("no", 0.0): True, ("no", 1.0): False, ("yes", 0.0): False, ("yes", 1.0): True}
    # On the holdout, too, which nothing above has seen.
    judged = evaluate(done.value.holdout, candidate=done.value.model, champion=None, pipeline=pipeline)
    assert judged.facts["fairness"]["disabled"]["metrics"][name] < 0.6 * before["fairness"][name]


def test_without_it_nothing_is_weighed(people: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    done = train(*tables(people), pipeline=life(parcels, "logistic_regression"), cut=CUT)
    done.value.release()
    assert "mitigation" not in done.facts


def test_the_model_may_be_kept_from_the_group(people: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    blind = life(parcels, "logistic_regression", exclude=["disabled"], fairness={"group": "disabled"})
    done = train(*tables(people), pipeline=blind, cut=CUT)
    done.value.release()
    assert "disabled" not in done.value.columns
    assert done.facts["mitigation"]["after"]["fairness"] != done.facts["mitigation"]["before"]["fairness"]


def test_what_cant_be(people: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    def asked(group: str, **more: Any) -> None:
        train(*tables(people), pipeline=life(parcels, "gbt", fairness={"group": group}, **more), cut=CUT)

    with pytest.raises(UsageError, match="there is no race, only id, age, schooling"):
        asked("race")
    with pytest.raises(PerdureError, match="at most 50 values; id has more"):
        asked("id")
    with pytest.raises(UsageError, match="for a binary task; this one is regression"):
        asked("sex", task="regression")


def _expr(sql: str) -> Any:
    from pyspark.sql import functions as F

    return F.expr(sql)

"""Mitigation on real, biased data: who works, among adults with and without a disability."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError, UsageError
from perdure.models.decision import Decided
from perdure.steps.evaluate import evaluate
from perdure.steps.score import Scorer, score
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


@pytest.mark.parametrize(("parity", "name"), [
    ("selection_rate", "demographic_parity_difference"), ("true_positive_rate", "equal_opportunity_difference")])
def test_each_group_has_a_threshold_of_its_own(
        people: DataFrame, parcels: Callable[..., Pipeline], parity: str, name: str) -> None:
    pipeline = life(parcels, "logistic_regression",
                    fairness={"group": "disabled", "method": "thresholds", "parity": parity, "minimum_rows": 30})
    done = train(*tables(people), pipeline=pipeline, cut=CUT)
    done.value.release()
    told = json.loads(json.dumps(done.facts["mitigation"]))
    assert set(told["thresholds"]) == {"no", "yes"}
    assert told["before"]["fairness"][name] > 0.25
    assert told["after"]["fairness"][name] < 0.03, "on the rows that the thresholds were learnt on"
    assert told["after"]["metrics"]["log_loss"] == told["before"]["metrics"]["log_loss"], "probabilities stay"
    assert told["cost"]["accuracy"] < 0
    whole = Decided(done.value.model, done.value.decision)
    judged = evaluate(done.value.holdout, candidate=whole, champion=None, pipeline=pipeline)
    assert judged.facts["fairness"]["disabled"]["metrics"][name] < 0.5 * told["before"]["fairness"][name]
    # What is scored is what was judged.
    (write,) = score(done.value.holdout, champion=Scorer(whole, "1"), pipeline=pipeline).writes
    rates = {row["disabled"]: row["rate"] for row in write.rows.join(done.value.holdout.select("id", "disabled"), "id")
             .groupBy("disabled").agg(_expr("avg(prediction) AS rate")).collect()}
    groups = judged.facts["fairness"]["disabled"]["groups"]
    assert rates == pytest.approx({group["value"]: group["selection_rate"] for group in groups})


def test_the_threshold_follows_from_what_mistakes_cost(people: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    def learnt(false_negative: float) -> tuple[Any, dict[str, Any]]:
        pipeline = life(parcels, "logistic_regression", decision={"false_negative": false_negative})
        done = train(*tables(people), pipeline=pipeline, cut=CUT)
        done.value.release()
        assert "mitigation" not in done.facts
        return done.value, json.loads(json.dumps(done.facts["decision"]))

    dear, told = learnt(9.0)
    assert told["threshold"] == dear.decision.threshold == pytest.approx(0.1, abs=0.08)
    assert told["after"] < 0.9 * told["before"]
    assert dear.rows.where("prediction = 1").count() == dear.rows.where(f"probability > {told['threshold']!r}D").count()
    even, alike = learnt(1.0)
    assert even.decision.threshold == pytest.approx(0.5, abs=0.12)
    assert alike["after"] <= alike["before"]


def test_without_it_nothing_is_weighed(people: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    done = train(*tables(people), pipeline=life(parcels, "logistic_regression"), cut=CUT)
    done.value.release()
    assert not {"mitigation", "decision"} & set(done.facts)
    assert done.value.decision is None


@pytest.mark.parametrize("family", ["logistic_regression", "gbt", "random_forest"])
def test_classes_count_alike_where_it_is_asked_for(
        people: DataFrame, parcels: Callable[..., Pipeline], family: str) -> None:
    """As rare as one in ten: kept as they are, hardly a row is decided for; balanced, about half of those there are."""
    rare = people.where("label = 0 OR pmod(xxhash64(id), 20) = 0")
    found = {}
    for imbalance in ("keep", "balance"):
        wanted = life(parcels, family, prepare={"imbalance": imbalance}, fairness={"group": "disabled"})
        done = train(*tables(rare), pipeline=wanted, cut=CUT)
        facts = done.facts["prepared"]
        assert facts["imbalance"] == imbalance
        share = facts["classes"]["1"] / sum(facts["classes"].values())
        assert 0.05 < share < 0.2
        mean = done.value.rows.selectExpr("avg(probability) AS p", "avg(prediction) AS yes").collect()[0]
        done.value.release()
        found[imbalance] = (share, mean["p"], mean["yes"], done.facts["mitigation"])
    share, mean, yes, _ = found["keep"]
    assert mean == pytest.approx(share, abs=0.02)
    assert yes < share / 2
    _, mean, yes, told = found["balance"]
    assert mean > 2 * share
    assert yes > 1.5 * share
    # Classes are balanced both before and after groups are weighed against each other.
    assert told["before"]["metrics"]["recall"] > 0.4
    assert told["after"]["fairness"] != told["before"]["fairness"]


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
    with pytest.raises(UsageError, match=r"model.decision is for a binary task; this one is regression"):
        train(*tables(people), pipeline=life(parcels, "linear_regression", task="regression", decision={}), cut=CUT)


def _expr(sql: str) -> Any:
    from pyspark.sql import functions as F

    return F.expr(sql)

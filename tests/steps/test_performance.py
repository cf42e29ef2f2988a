from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from sklearn import metrics

from perdure.core.config import Pipeline
from perdure.core.interval import Duration, Interval
from perdure.core.protocols import StepResult
from perdure.steps.evaluate import evaluate
from perdure.steps.performance import SCHEMA, performance
from perdure.steps.score import Scorer, score
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DAYS = Interval(*(datetime(2024, 1, day, tzinfo=timezone.utc) for day in (9, 11)), Duration(2, "day"))
LATER = datetime(2024, 2, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def log(features: DataFrame, trained: StepResult, poor: StepResult, parcels: Callable[..., Pipeline]) -> DataFrame:
    champion, challenger = Scorer(trained.value.model, "1"), Scorer(poor.value.model, "2")
    found = score(features, champion=champion, challenger=challenger, pipeline=parcels())
    return found.writes[0].rows.localCheckpoint()


def test_realised_metrics_of_each_version_and_slice(
        spark: SparkSession, log: DataFrame, labels: DataFrame, features: DataFrame,
        parcels: Callable[..., Pipeline]) -> None:
    with count_jobs(spark) as count:
        result = performance(log, labels, features, pipeline=parcels(), interval=DAYS, known_at=LATER)
    assert count.jobs <= 6
    (write,) = result.writes
    assert (write.table, write.mode) == ("performance", "append")
    assert write.rows.schema == spark.createDataFrame([], SCHEMA).schema
    found = {(row["model_version"], row["slice_value"], row["metric"]): row for row in write.rows.collect()}
    assert {key[:2] for key in found} == {(v, town) for v in ("1", "2") for town in (None, "t0", "t1", "t2")}
    judged = log.where("at >= '2024-01-09' AND at < '2024-01-11'").join(
        labels.select("id", "label"), "id").where("label IS NOT NULL").collect()
    for version in ("1", "2"):
        rows = [row for row in judged if row["model_version"] == version]
        y, p = ([row[name] for row in rows] for name in ("label", "probability"))
        row = found[(version, None, "log_loss")]
        assert row["value"] == pytest.approx(metrics.log_loss(y, p))
        assert row["low"] < row["value"] < row["high"]
        assert (row["rows"], row["label_coverage"], row["kind"]) == (196, 1.0, "realised")
        assert row["window"].asDict() == {"start": datetime(2024, 1, 9), "end": datetime(2024, 1, 11)}  # noqa: DTZ001
        assert found[(version, None, "accuracy")]["value"] == pytest.approx(
            metrics.accuracy_score(y, [value > 0.5 for value in p]))
    assert found[("1", None, "area_under_roc")]["value"] > found[("2", None, "area_under_roc")]["value"] + 0.2
    assert json.loads(json.dumps(result.facts))["models"]["1"]["rows"] == 196


def test_only_labels_known_at_the_time_count(
        log: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    """At the interval's end the labels of its first day are available, and one at the very moment."""
    result = performance(log, labels, pipeline=parcels(), interval=DAYS, known_at=DAYS.end)
    facts = result.facts["models"]["1"]
    assert facts["rows"] == 99
    assert facts["label_coverage"] == pytest.approx(101 / 200)
    assert {row["slice_key"] for row in result.writes[0].rows.collect()} == {None}


def test_before_any_label_there_is_nothing_to_tell(
        log: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    result = performance(log, labels, pipeline=parcels(), interval=DAYS, known_at=DAYS.start)
    assert result.writes[0].rows.count() == 0
    assert result.facts["models"]["1"] == {"rows": 0, "label_coverage": 0.0, "metrics": {}, "expected": {},
                                           "estimation_error": {}, "slices": []}


def test_no_predictions(log: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    result = performance(log.limit(0), labels, pipeline=parcels(), interval=DAYS, known_at=LATER)
    assert result.facts["models"] == {}
    assert result.writes[0].rows.count() == 0


@pytest.fixture(scope="module")
def estimators(trained: StepResult, parcels: Callable[..., Pipeline]) -> dict[str, Any]:
    value = trained.value
    facts = evaluate(value.holdout, candidate=value.model, champion=None, pipeline=parcels()).facts
    return {"1": json.loads(json.dumps(facts["estimator"]))}


def test_expected_before_any_label(
        spark: SparkSession, log: DataFrame, labels: DataFrame, features: DataFrame, parcels: Callable[..., Pipeline],
        estimators: dict[str, Any]) -> None:
    """The same one action; one expectation a version, slice and metric, and what comes true is near."""
    with count_jobs(spark) as count:
        result = performance(log, labels, features, pipeline=parcels(), interval=DAYS, known_at=DAYS.start,
                             estimators=estimators)
    assert count.jobs <= 6
    rows = result.writes[0].rows.collect()
    assert {row["kind"] for row in rows} == {"expected"}
    assert {row["model_version"] for row in rows} == {"1"}
    found = {(row["slice_value"], row["metric"]): row for row in rows}
    assert {key for key, _ in found} == {None, "t0", "t1", "t2"}
    assert (found[(None, "log_loss")]["rows"], found[(None, "log_loss")]["label_coverage"]) == (200, 0.0)
    later = performance(log, labels, features, pipeline=parcels(), interval=DAYS, known_at=LATER).facts["models"]["1"]
    for metric in ("log_loss", "brier", "accuracy", "area_under_roc", "base_rate"):
        row = found[(None, metric)]
        assert row["low"] < row["value"] < row["high"]
        assert row["value"] == pytest.approx(later["metrics"][metric], abs=0.1), metric


def test_the_estimates_own_error_once_labels_come(
        log: DataFrame, labels: DataFrame, features: DataFrame, parcels: Callable[..., Pipeline],
        estimators: dict[str, Any]) -> None:
    result = performance(log, labels, features, pipeline=parcels(), interval=DAYS, known_at=LATER,
                         estimators=estimators)
    facts = result.facts["models"]["1"]
    rows = {(row["kind"], row["slice_value"], row["metric"]): row for row in result.writes[0].rows.collect()}
    error = rows[("estimation_error", None, "log_loss")]
    assert error["value"] == facts["estimation_error"]["log_loss"]
    assert error["value"] == pytest.approx(facts["expected"]["log_loss"] - facts["metrics"]["log_loss"], abs=0.02)
    assert error["low"] < 0 < error["high"]
    assert [item["slice_value"] for item in facts["slices"]] == ["t0", "t1", "t2"]
    assert facts["slices"][0]["metrics"].keys() == {"log_loss"} == facts["slices"][0]["expected"].keys()
    assert result.facts["models"]["2"]["expected"] == {}


def test_business_value(log: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline],
                        estimators: dict[str, Any]) -> None:
    pipeline = parcels(monitor={"business_value": {"true_positive": 3, "false_positive": -1}})
    found = performance(log, labels, pipeline=pipeline, interval=DAYS, known_at=LATER, estimators=estimators).facts
    judged = log.where("at >= '2024-01-09' AND at < '2024-01-11' AND model_version = '1'").join(
        labels.select("id", "label"), "id").where("label IS NOT NULL").collect()
    worth = [(3 if row["label"] else -1) * (row["probability"] > 0.5) for row in judged]
    assert found["models"]["1"]["metrics"]["business_value"] == pytest.approx(sum(worth) / len(worth))
    assert found["models"]["1"]["expected"]["business_value"] == pytest.approx(sum(worth) / len(worth), abs=0.3)


def test_a_regression_expects_its_losses(
        spark: SparkSession, log: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    pipeline = parcels(model={"task": "regression", "families": ["linear_regression"]})
    curve = {"scores": [0.0, 1.0], "chances": [],
             "losses": {name: [[0.25, 0.25], [0.01, 0.01]] for name in ("mae", "mse", "rmse", "mape")}}
    found = performance(log, labels, pipeline=pipeline, interval=DAYS, known_at=DAYS.start,
                        estimators={"1": curve}).facts["models"]["1"]["expected"]
    assert found == pytest.approx({"mae": 0.25, "mse": 0.25, "rmse": 0.5, "mape": 0.25})

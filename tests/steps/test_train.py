from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError
from perdure.core.protocols import StepResult
from perdure.steps import _prepared
from perdure.steps.train import train
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CUT = datetime(2024, 1, 11, tzinfo=timezone.utc)
SMALL_TREES = {"gbt": {"maxIter": {"integer": [1, 4]}, "maxDepth": {"integer": [1, 3]}}}
QUICK = {"task": "binary", "families": ["logistic_regression"], "exclude": ["noise"], "tune": {"trials": 1}}


def span(rows: DataFrame) -> tuple[datetime, datetime, int]:
    return tuple(rows.selectExpr("min(at)", "max(at)", "count(*)").collect()[0])


def test_which_rows_train_and_which_are_held_out(trained: StepResult) -> None:
    value = trained.value
    assert (value.since, value.until) == (CUT - timedelta(days=8), CUT - timedelta(days=2))
    # 600 parcels in six days; every fiftieth has no outcome.
    first, last, rows = span(value.training)
    assert (first, last, rows) == (datetime(2024, 1, 3), datetime(2024, 1, 8, 23, 45), 588)  # noqa: DTZ001
    assert value.rows_trained == trained.facts["rows"] == 588
    # Of the two days held out, the labels of the last aren't available at the cut.
    first, last, rows = span(value.holdout)
    assert (first, last, rows) == (datetime(2024, 1, 9), datetime(2024, 1, 10), 99)  # noqa: DTZ001
    assert value.columns == {"town": "string", "weight": "double"}


def test_labels_that_come_after_the_cut_change_nothing(
        trained: StepResult, features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    """Also: the same rows and seed give the same trials and the same model, bit for bit, however they are stored."""
    from pyspark.sql import functions as F

    late = F.col("available_at") > F.lit(CUT)
    other = labels.withColumn("label", F.when(late, 1 - F.col("label")).otherwise(F.col("label")))
    again = train(features.repartition(7), other.repartition(3), pipeline=parcels(), cut=CUT)
    assert again.facts["family"] == trained.facts["family"]
    assert [(t.params, t.loss) for t in again.value.trials] == [(t.params, t.loss) for t in trained.value.trials]
    scored = [sorted(map(tuple, value.rows.select("id", "probability").collect()))
              for value in (again.value, trained.value)]
    assert scored[0] == scored[1]


def test_facts_are_json_and_tell_what_matters(trained: StepResult) -> None:
    facts = json.loads(json.dumps(trained.facts, default=str))
    assert facts == trained.facts
    assert [trial["family"] for trial in facts["trials"]] == ["logistic_regression", "random_forest"]
    assert all(trial["status"] == "ok" and trial["metrics"]["area_under_roc"] > 0.8 for trial in facts["trials"])
    assert facts["loss"] == min(trial["loss"] for trial in facts["trials"])
    assert list(facts["importance"]) == ["weight", "town"]
    assert sum(facts["importance"].values()) == pytest.approx(1)
    assert list(facts["alone"]) == ["weight", "town"]
    assert 0 < facts["alone"]["town"] < facts["alone"]["weight"] < 0.95
    assert facts["prepared"]["unused"] == {}
    assert facts["prepared"]["categories"] == {"town": 3}
    assert sum(facts["prepared"]["classes"].values()) == facts["rows"]
    assert facts["holdout"] == {"since": "2024-01-09T00:00:00+00:00", "until": "2024-01-11T00:00:00+00:00"}


def test_the_training_rows_with_predictions(trained: StepResult) -> None:
    rows = trained.value.rows
    assert {"id", "at", "town", "weight", "label", "prediction", "probability"} <= set(rows.columns)
    assert not [name for name in rows.columns if name.startswith("_")]
    assert rows.selectExpr("avg(pow(label - probability, 2))").collect()[0][0] < 0.15
    assert rows.count() == 588


def test_nothing_stays_cached_and_jobs_are_few(
        spark: SparkSession, features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    cached = spark.sparkContext._jsc.getPersistentRDDs
    before = set(cached())
    model = {"task": "regression", "families": ["linear_regression"], "tune": {"trials": 1}}
    with count_jobs(spark) as count:
        done = train(features, labels, pipeline=parcels(model=model), cut=CUT)
    assert len(set(cached()) - before) == 1  # the training rows, for what follows
    done.value.release()
    assert set(cached()) == before
    # Linear regression is solved in two jobs a fit; the rest is preparation, measuring and importance.
    assert count.jobs <= 30


def test_the_search_may_see_a_sample(
        features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    seen: list[Any] = []
    some, all_ = (train(features, labels, cut=CUT, progress=seen.append,
                        pipeline=parcels(model={**QUICK, "tune": {"trials": 1, "sample": share}}))
                  for share in (0.3, 1))
    assert some.value.rows_trained == all_.value.rows_trained == 588
    assert [trial.number for trial in seen] == [0, 0]
    assert seen[0].params == seen[1].params
    assert seen[0].loss != seen[1].loss


def test_single_machine_estimators_repeat_at_any_parallelism(
        features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    """Each fit in a task of its own; the rows come to it in any order."""
    found = []
    for parallelism, rows in ((1, features), (2, features.repartition(5))):
        model = {**QUICK, "families": ["sklearn_hist_gradient_boosting"],
                 "tune": {"trials": 2, "parallelism": parallelism, "round": 2}}
        done = train(rows, labels, pipeline=parcels(model=model), cut=CUT)
        done.value.release()
        found.append([(trial.params, trial.loss) for trial in done.value.trials])
        assert list(done.facts["importance"]) == ["weight", "town"]
        assert done.facts["size"]["trees"] >= 50
    assert found[0] == found[1]


@pytest.mark.parametrize("tune", [{}, {"early": 0.4, "patience": 4, "sample": 0.8}])
def test_parallelism_changes_no_trial_and_no_winner(
        features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline], tune: dict[str, Any]) -> None:
    """The losses to the last bit, and the model's own predictions; at eight, all trials of a round run at once."""
    found = []
    for parallelism in (1, 2, 8):
        model = {"task": "binary", "families": ["logistic_regression", "gbt"], "exclude": ["noise"],
                 "tune": {"trials": 6, "parallelism": parallelism, "round": 3, "space": SMALL_TREES, **tune}}
        done = train(features, labels, pipeline=parcels(model=model), cut=CUT)
        done.value.release()
        scored = sorted(map(tuple, done.value.model.transform(done.value.holdout).select("id", "prediction").collect()))
        trials = [(t.number, t.family, dict(t.params), t.loss, t.early, t.status) for t in done.value.trials]
        found.append((trials, done.facts["trial"], done.facts["params"], scored))
    assert found[0] == found[1] == found[2]
    assert {family for _, family, *_ in found[0][0]} == {"logistic_regression", "gbt"}
    assert not tune or {"ok"} < {status for *_, status in found[0][0]}


def test_with_many_rows_trials_see_a_tenth_first(
        spark: SparkSession, features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are lowered: 59 of 588 rows and about 15 late ones are a tenth."""
    cached = spark.sparkContext._jsc.getPersistentRDDs
    before, found = set(cached()), {}
    for name, rows, rarest, early in (("few rows", 60, 5, None), ("rare class", 50, 40, None), ("many", 50, 5, None),
                                      ("all wished", 50, 5, 1)):
        monkeypatch.setattr(_prepared, "EARLY_ROWS", rows)
        monkeypatch.setattr(_prepared, "EARLY_RAREST", rarest)
        tune = {"trials": 3, "sample": 0.99, **({"early": early} if early else {})}
        done = train(features, labels, pipeline=parcels(model={**QUICK, "tune": tune}), cut=CUT)
        done.value.release()
        found[name] = [trial.status for trial in done.value.trials]
        assert set(cached()) == before
        assert done.value.rows_trained == 588
        assert done.facts["early"] == (0.1 if name == "many" else 1)
        assert done.facts["loss"] == min(trial.loss for trial in done.value.trials if trial.status == "ok")
    assert sorted(found.pop("many")) == ["ok", "stopped", "stopped"]
    assert set(map(tuple, found.values())) == {("ok", "ok", "ok")}


def test_trials_side_by_side_have_pools_of_their_own(
        spark: SparkSession, features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    assert spark.conf.get("spark.scheduler.mode") == "FAIR"
    before = {pool.name() for pool in pools(spark)}
    train(features, labels, pipeline=parcels(model={**QUICK, "tune": {"trials": 4, "parallelism": 3}}), cut=CUT)
    assert {pool.name() for pool in pools(spark)} | before >= {"default", "trial_0", "trial_1", "trial_2"}


def pools(spark: SparkSession) -> list[Any]:
    found = spark.sparkContext._jsc.sc().getAllPools()
    return [found.apply(i) for i in range(found.length())]


def test_trials_that_have_ended_are_not_run_again(
        trained: StepResult, features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    told: list[Any] = []
    first = trained.value.trials[0]
    again = train(features, labels, pipeline=parcels(), cut=CUT, ended=[first], progress=told.append)
    assert [trial.number for trial in told] == [1]
    assert again.value.trials[0] is first
    assert again.value.trials[1].loss == trained.value.trials[1].loss
    assert again.facts["params"] == trained.facts["params"]


def test_regression(features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    grams = labels.join(features.select("id", "weight"), "id").withColumn("label", _expr("2 * weight + 1"))
    model = {"task": "regression", "families": ["linear_regression", "gbt"], "tune": {"trials": 2, "metric": "r2"}}
    result = train(features, grams, pipeline=parcels(model=model), cut=CUT)
    assert {trial.family for trial in result.value.trials} == {"linear_regression", "gbt"}
    assert result.facts["metrics"]["r2"] > 0.95
    assert result.facts["loss"] == -result.facts["metrics"]["r2"]
    assert next(iter(result.facts["importance"])) == "weight"
    assert result.value.rows.where("probability IS NULL AND prediction IS NOT NULL").count() == result.facts["rows"]


def test_at_the_beginning_of_history_the_window_may_be_short(
        features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    early = train(features, labels, pipeline=parcels(model=QUICK), cut=datetime(2024, 1, 5, tzinfo=timezone.utc))
    assert early.value.rows_trained == 196


def test_errors_say_what_to_do(features: DataFrame, labels: DataFrame, parcels: Callable[..., Pipeline]) -> None:
    quick = parcels(model=QUICK)
    with pytest.raises(PerdureError, match=r"needs rows with labels between 2024-05-24 .* Featurize"):
        train(features, labels, pipeline=quick, cut=datetime(2024, 6, 1, tzinfo=timezone.utc))
    with pytest.raises(PerdureError, match="share the key 'id'"):
        train(features.withColumn("id", _expr("id + 9000")), labels, pipeline=quick, cut=CUT)
    with pytest.raises(PerdureError, match=r"'id' occur more often, such as '\d+'"):
        train(features.union(features), labels, pipeline=quick, cut=CUT)
    with pytest.raises(PerdureError, match="all 588 training rows have the label 1"):
        train(features, labels.withColumn("label", _expr("label * 0 + 1")), pipeline=quick, cut=CUT)
    with pytest.raises(PerdureError, match="a binary label must be 0 or 1"):
        train(features, labels.withColumn("label", _expr("label * 2")), pipeline=quick, cut=CUT)


def _expr(sql: str) -> Any:
    from pyspark.sql import functions as F

    return F.expr(sql)

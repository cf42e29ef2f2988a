"""Which of several classes: from the label's text to training, gate, scoring and performance, against scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError
from perdure.core.interval import Duration, Interval
from perdure.core.protocols import StepResult
from perdure.evaluation import scan
from perdure.features import build
from perdure.models import fitted, golden
from perdure.models.compiled import NotCompilable, compiled
from perdure.models.explained import NotExplainable, explainer
from perdure.steps.evaluate import evaluate
from perdure.steps.performance import performance
from perdure.steps.rollout import disagreement
from perdure.steps.score import Scorer, score
from perdure.steps.train import train

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CUT = datetime(2024, 1, 11, tzinfo=timezone.utc)
LATER = datetime(2024, 2, 1, tzinfo=timezone.utc)
WHOLE = Interval(*(datetime(2024, 1, day, tzinfo=timezone.utc) for day in (1, 13)), Duration(12, "day"))
CLASSES = ["early", "on time", "late"]
Make = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def pipeline(parcels: Make) -> Pipeline:
    model = {"task": "multiclass", "families": ["logistic_regression", "random_forest"], "exclude": ["noise"],
             "tune": {"trials": 3}}
    gate = {"thresholds": {"accuracy": 0.5, "log_loss": 1.0}, "beat_champion": {"metric": "log_loss"}}
    return parcels(model=model, gate=gate, label={"column": "outcome", "from": "arrivals", "classes": CLASSES})


@pytest.fixture(scope="module")
def outcomes(features: DataFrame) -> DataFrame:
    """The label's source: what became of each parcel, in words."""
    weighs = "coalesce(weight, 5D) + 4 * int(town = 't2') + pmod(xxhash64(id, 1), 100) / 50D"
    return features.selectExpr(
        "id", "at", f"CASE WHEN id % 50 = 7 THEN NULL WHEN {weighs} < 4 THEN 'early' WHEN {weighs} < 9 THEN 'on time' "
        "ELSE 'late' END AS outcome").localCheckpoint()


@pytest.fixture(scope="module")
def named(outcomes: DataFrame, pipeline: Pipeline) -> DataFrame:
    return build.labels(outcomes, pipeline, WHOLE).localCheckpoint()


@pytest.fixture(scope="module")
def several(features: DataFrame, named: DataFrame, pipeline: Pipeline) -> StepResult:
    return train(features, named, pipeline=pipeline, cut=CUT)


@pytest.fixture(scope="module")
def weak(features: DataFrame, named: DataFrame, pipeline: Pipeline) -> StepResult:
    """A training that sees the town alone."""
    model = pipeline.model.model_copy(update={"exclude": ("noise", "weight"), "families": ("logistic_regression",)})
    return train(features, named, pipeline=pipeline.model_copy(update={"model": model}), cut=CUT)


def judged(scored: DataFrame, named: DataFrame) -> tuple[Any, Any, Any]:
    """Labels, predictions and probabilities of the rows that have an outcome."""
    rows = scored.join(named.select("id", "label"), "id").where("label IS NOT NULL").collect()
    return tuple(np.array([row[name] for row in rows]) for name in ("label", "prediction", "probabilities"))


def brier(y: Any, p: Any) -> float:
    return float(((p - np.eye(p.shape[1])[y.astype(int)]) ** 2).sum(axis=1).mean())


def test_labels_are_the_places_of_their_classes(outcomes: DataFrame, named: DataFrame, pipeline: Pipeline) -> None:
    found = {(row["outcome"], row["label"]) for row in outcomes.join(named, "id").select("outcome", "label").collect()}
    assert found == {("early", 0.0), ("on time", 1.0), ("late", 2.0), (None, None)}
    strange = outcomes.selectExpr("id", "at", "IF(id = 5, 'lost', outcome) AS outcome")
    with pytest.raises(Exception, match=r"label\.classes has no lost; it has: early, on time, late"):
        build.labels(strange, pipeline, WHOLE).collect()


def test_the_better_model_is_found_and_judged(
        several: StepResult, weak: StepResult, named: DataFrame, pipeline: Pipeline) -> None:
    """Metrics on the holdout are scikit-learn's, and the gate compares two models pair by pair."""
    assert {trial["family"] for trial in several.facts["trials"]} == {"logistic_regression", "random_forest"}
    assert several.facts["loss"] == min(trial["loss"] for trial in several.facts["trials"])
    assert set(several.facts["importance"]) == {"town", "weight"}
    holdout, models = several.value.holdout, (several.value.model, weak.value.model)
    found = evaluate(holdout, candidate=models[0], champion=models[1], pipeline=pipeline)
    for name, model in zip(("candidate", "champion"), models, strict=True):
        rows = fitted.predict(model, holdout.drop("label"), "multiclass")
        y, predicted, p = judged(rows, named)
        measured = {key: each["value"] for key, each in found.facts[name].items()}
        assert measured["log_loss"] == pytest.approx(metrics.log_loss(y, p, labels=[0, 1, 2]))
        assert measured["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
        assert measured["brier"] == pytest.approx(brier(y, p))
        assert set(measured) == {"log_loss", "accuracy", "brier", "mean_prediction"}
    assert found.gate is not None and found.gate.passed
    gains = found.facts["improvement"]
    gain = found.facts["champion"]["log_loss"]["value"] - found.facts["candidate"]["log_loss"]["value"]
    assert gains["log_loss"]["value"] == pytest.approx(gain)
    assert gains["log_loss"]["low"] > 0
    assert {each["slice_value"] for each in found.facts["slices"]} == {"t0", "t1", "t2"}
    json.dumps(found.facts)


def test_scored_and_followed_up(features: DataFrame, several: StepResult, weak: StepResult, named: DataFrame,
                                pipeline: Pipeline) -> None:
    champion, challenger = Scorer(several.value.model, "1"), Scorer(weak.value.model, "2", 50)
    alone = score(features, champion=champion, pipeline=pipeline).writes[0].rows
    both = score(features, champion=champion, challenger=challenger, pipeline=pipeline).writes[0].rows.localCheckpoint()
    told = ["id", "at", "prediction", "probability", "probabilities", "class", "model_version", "role"]
    assert alone.columns == both.columns == told
    first = sorted(tuple(row[:6]) for row in both.where("model_version = 1").collect())
    assert first == sorted(tuple(row[:6]) for row in alone.collect())
    for row in both.limit(50).collect():
        assert row["class"] == CLASSES[int(row["prediction"])]
        assert row["probability"] == max(row["probabilities"])
        assert sum(row["probabilities"]) == pytest.approx(1)
    estimators = {"1": evaluate(several.value.holdout, candidate=several.value.model, champion=None,
                                pipeline=pipeline).facts["estimator"]}
    result = performance(both, named, features, pipeline=pipeline, interval=WHOLE, known_at=LATER,
                         estimators=estimators)
    models = result.facts["models"]
    y, predicted, p = judged(alone, named)
    assert models["1"]["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    assert models["1"]["metrics"]["log_loss"] == pytest.approx(metrics.log_loss(y, p, labels=[0, 1, 2]))
    # What is expected before labels: the chance of being right. Log loss isn't told by it.
    assert models["1"]["expected"] == {"accuracy": pytest.approx(models["1"]["metrics"]["accuracy"], abs=0.06)}
    (whole, *_) = disagreement(both, features, champion="1", challenger="2", pipeline=pipeline)
    assert 0 < whole["other_class"] < 1


def test_what_it_cannot_do_is_said(several: StepResult, tmp_path: Any) -> None:
    with pytest.raises(NotCompilable, match="a model of 3 classes has no compiled form"):
        compiled(several.value.model, str(tmp_path))
    with pytest.raises(NotExplainable, match="a model of 3 classes is not explained"):
        explainer(several.value.model, tmp_path)


def test_golden_rows_tell_classes_and_chances_apart(spark: SparkSession, several: StepResult, weak: StepResult) -> None:
    value = several.value
    told, _ = golden.answered(golden.choose(value.holdout, value.columns, "id", "multiclass"), value.model, None, spark)
    assert told.check(value.model, spark).equal
    assert not told.check(weak.value.model, spark).equal


def test_rows_of_one_class_teach_nothing(features: DataFrame, named: DataFrame, pipeline: Pipeline) -> None:
    with pytest.raises(PerdureError, match="a model needs rows of two classes or more; all 588 training rows have one"):
        train(features, named.selectExpr("* except (label)", "IF(label IS NULL, NULL, 2D) AS label"),
              pipeline=pipeline, cut=CUT)


def test_a_row_without_an_answer_is_not_judged(spark: SparkSession) -> None:
    rows = spark.sql("""SELECT 'm' AS model, true AS known, array(named_struct('slice_key', CAST(NULL AS STRING),
        'slice_value', CAST(NULL AS STRING))) AS slices, * FROM VALUES
        (1D, 0.6D, 1D, array(0.4D, 0.6D)), (0D, 0.7D, 1D, array(0.3D, 0.7D)), (1D, NULL, NULL, NULL),
        (NULL, 0.9D, 0D, array(0.9D, 0.1D)) AS t (y, probability, prediction, probabilities)""")
    ready = rows.select("model", "known", "slices", "y", scan.answer("multiclass").alias("p"),
                        scan.decision("multiclass").alias("d"))
    (tally,) = scan.tally(ready, task="multiclass")
    assert (tally.total, tally.n, tally.positives.sum()) == (4, 2, 1)
    assert tally.loss("log_loss").mean == pytest.approx(-(np.log(0.6) + np.log(0.3)) / 2)

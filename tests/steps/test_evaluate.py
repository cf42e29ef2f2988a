from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sklearn import metrics

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError
from perdure.core.protocols import StepResult
from perdure.models.fitted import predict
from perdure.steps.evaluate import evaluate
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_the_first_model_has_no_champion_to_beat(
        spark: SparkSession, trained: StepResult, parcels: Callable[..., Pipeline]) -> None:
    value = trained.value
    with count_jobs(spark) as count:
        result = evaluate(value.holdout, candidate=value.model, champion=None, pipeline=parcels())
    assert count.jobs <= 4
    assert result.gate.passed
    assert [line.rule for line in result.gate.lines] == ["log_loss", "area_under_roc", "log_loss against the champion"]
    assert result.gate.lines[2].measured == "no champion yet"
    facts = json.loads(json.dumps(result.facts))
    assert facts == result.facts
    assert facts["rows"] == 99
    assert facts["improvement"] == {}
    assert sum(item["rows"] for item in facts["calibration"]["candidate"]) == 99
    assert [(item["slice_value"], item["model"]) for item in facts["slices"]] == [
        (town, "candidate") for town in ("t0", "t1", "t2")]


def test_the_numbers_are_scikit_learns(trained: StepResult, parcels: Callable[..., Pipeline]) -> None:
    value = trained.value
    found = evaluate(value.holdout, candidate=value.model, champion=None, pipeline=parcels()).facts["candidate"]
    scored = predict(value.model, value.holdout, "binary").select("label", "probability", "prediction").collect()
    y, p, hard = ([row[i] for row in scored] for i in range(3))
    assert found["log_loss"]["value"] == pytest.approx(metrics.log_loss(y, p))
    assert found["area_under_roc"]["value"] == pytest.approx(metrics.roc_auc_score(y, p), abs=0.002)
    assert found["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(y, hard))
    assert found["accuracy"]["low"] < found["accuracy"]["value"] < found["accuracy"]["high"]


def test_a_better_candidate_beats_the_champion(
        trained: StepResult, poor: StepResult, parcels: Callable[..., Pipeline]) -> None:
    result = evaluate(trained.value.holdout, candidate=trained.value.model, champion=poor.value.model,
                      pipeline=parcels())
    assert result.gate.passed
    assert result.gate.lines[-1].rule == "log_loss against the champion"
    assert result.facts["improvement"]["log_loss"]["low"] > 0
    assert result.facts["improvement"]["area_under_roc"]["value"] > 0
    assert len(result.facts["slices"]) == 6


def test_a_worse_or_equal_candidate_does_not(
        trained: StepResult, poor: StepResult, parcels: Callable[..., Pipeline]) -> None:
    rows, champion = trained.value.holdout, trained.value.model
    worse = evaluate(rows, candidate=poor.value.model, champion=champion, pipeline=parcels())
    assert not worse.gate.passed
    assert {line.rule for line in worse.gate.failures} >= {"log_loss against the champion", "area_under_roc"}
    (told,) = [line.measured for line in worse.gate.failures if line.rule == "area_under_roc"]
    stays = worse.facts["champion"]["area_under_roc"]["value"]
    assert told.endswith(f"; the champion has {stays:.4f}"), "who would go on serving"
    same = evaluate(rows, candidate=champion, champion=champion, pipeline=parcels())
    assert [line.rule for line in same.gate.failures] == ["log_loss against the champion"]
    assert same.facts["improvement"]["brier"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_margin_counts(trained: StepResult, poor: StepResult, parcels: Callable[..., Pipeline]) -> None:
    gate = {"beat_champion": {"metric": "log_loss", "margin": 5.0}}
    result = evaluate(trained.value.holdout, candidate=trained.value.model, champion=poor.value.model,
                      pipeline=parcels(gate=gate))
    assert not result.gate.passed
    assert result.gate.lines[0].bound == "better by more than 5 with 95% confidence"


def test_modes(trained: StepResult, poor: StepResult, parcels: Callable[..., Pipeline]) -> None:
    def gate(mode: str) -> StepResult:
        settings = {"mode": mode, "thresholds": {"log_loss": 0.001}, "beat_champion": {"metric": "brier"}}
        return evaluate(trained.value.holdout, candidate=poor.value.model, champion=trained.value.model,
                        pipeline=parcels(gate=settings))

    assert not gate("enforce").gate.passed
    dry = gate("dry_run").gate
    assert dry.passed
    assert [(line.severity, line.passed) for line in dry.lines] == [("warning", False)] * 2
    off = gate("off")
    assert off.gate.lines == ()
    assert off.facts["improvement"]


def test_a_holdout_without_rows_is_an_error(trained: StepResult, parcels: Callable[..., Pipeline]) -> None:
    with pytest.raises(PerdureError, match="the holdout has none"):
        evaluate(trained.value.holdout.limit(0), candidate=trained.value.model, champion=None, pipeline=parcels())


def test_slices_and_fairness_in_the_gate(
    trained: StepResult, parcels: Callable[..., Pipeline]
) -> None:
    model = trained.value
    rule = {"slice": "town", "minimum_rows": 10}
    gate = {
        "slices": [{**rule, "metric": "log_loss", "bound": 0.01},
                   {**rule, "metric": "log_loss", "bound": 0.01, "minimum_rows": 10**6}],
        "fairness": [{**rule, "metric": "demographic_parity_difference", "bound": 1.0},
                     {**rule, "metric": "demographic_parity_difference", "bound": 0.01}],
    }
    result = evaluate(model.holdout, candidate=model.model, champion=None, pipeline=parcels(gate=gate))
    assert result.gate is not None
    assert [line.passed for line in result.gate.lines] == [False, True, True, False]
    assert [line.severity for line in result.gate.lines] == ["critical", "info", "critical", "critical"]
    assert result.gate.lines[0].measured.split(" for ")[1].startswith("t")
    groups = {group["value"]: group for group in result.facts["fairness"]["town"]["groups"]}
    assert set(groups) == {"t0", "t1", "t2"}
    assert groups["t2"]["selection_rate"] > groups["t0"]["selection_rate"] + 0.2

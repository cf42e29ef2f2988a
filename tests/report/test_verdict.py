from __future__ import annotations

from dataclasses import replace

import pytest

from perdure.core.gate import GateResult
from perdure.report.data import Champion, Comparison, Decision, Drift, Performance, PipelineFacts, ReportData
from perdure.report.verdict import Verdict
from perdure.report.view import build

PROMISED = Comparison("2013-01", "1", None, {"log_loss": (0.5, None)}, GateResult("evaluate"))


def judged(value: float, width: float = 0.001, **more: object) -> Verdict:
    row = Performance("2013-02", "log_loss", "realised", value, "1", None, value - width, value + width, 100)
    data = ReportData(PipelineFacts("p", thresholds={"log_loss": 0.6}), "", champions=(Champion("1", "2013-02"),),
                      performance=(row,), comparisons=(PROMISED,))  # fmt: skip
    return build(replace(data, **more)).verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "width", "status", "words"),
    [
        (0.5001, 0.00001, "good", "practically the same"),
        (0.51, 0.001, "good", "2% worse"),
        (0.45, 0.001, "good", "10% better"),
        (0.55, 0.001, "watch", "10% worse"),
        (0.55, 0.1, "good", "no difference beyond chance"),
        (0.59, 0.001, "bad", "18% worse"),
        (0.61, 0.2, "bad", "The pipeline allows at most 0.600"),
    ],
)
def test_the_status_follows_the_promise_the_noise_and_the_bound(
    value: float, width: float, status: str, words: str
) -> None:
    verdict = judged(value, width)
    assert verdict.status == status
    assert words in verdict.because
    assert verdict.because.startswith(f"In Feb 2013 its log loss was {value:.3f}")


def test_for_metrics_that_grow_less_is_worse() -> None:
    row = Performance("2013-02", "area_under_roc", "realised", 0.6, "1", None, 0.59, 0.61, 100)
    comparison = replace(PROMISED, metrics={"area_under_roc": (0.8, None)})
    facts = PipelineFacts("p", metric="area_under_roc", thresholds={"area_under_roc": 0.7})
    verdict = judged(0.5, pipeline=facts, performance=(row,), comparisons=(comparison,))
    assert verdict.status == "bad"
    assert "25% worse" in verdict.because
    assert "at least 0.700" in verdict.because


def test_a_champion_that_has_taken_over_since_is_named() -> None:
    verdict = judged(0.5, champions=(Champion("1", "2013-02"), Champion("2", "2013-03")))
    assert verdict.because.endswith("Version 2 takes its place from Mar 2013 on.")


def test_without_outcomes_it_is_too_early() -> None:
    expected = Performance("2013-02", "log_loss", "expected", 0.5, "1")
    verdict = judged(0.5, performance=(expected,))
    assert (verdict.status, verdict.headline) == ("waiting", "It is too early to tell.")


def test_all_refused_says_where_the_reasons_stand() -> None:
    refused = (Decision("2013-02", "deploy", "refuse", "log loss 0.7", {}, "1"),)
    verdict = judged(0.5, champions=(), performance=(), decisions=refused)
    assert verdict.headline == "No model serves yet."
    assert "1 candidate was trained and refused by the gate" in verdict.because


def test_before_the_first_training_the_policy_speaks() -> None:
    waiting = (Decision("2013-02", "retrain", "keep", "only 2 of 4 months of history"),)
    verdict = judged(0.5, champions=(), performance=(), decisions=waiting)
    assert verdict.because == "The last decision: only 2 of 4 months of history."


def test_what_changed_is_weighed_by_what_the_model_uses(year: ReportData) -> None:
    answers = dict(build(year).verdict.answers)
    assert "2 columns changed clearly in Dec 2013: temp and dewp" in answers["What changed in the data?"]
    assert "takes 8% of its answer from them" in answers["What changed in the data?"]
    assert "carrier F9, carrier FL and carrier EV" in answers["For whom is it worse?"]
    assert answers["What was decided?"].startswith("Dec 2013: keep the model, since")


def test_calm_data_and_no_slices_are_said_plainly() -> None:
    calm = (Drift("2013-02", "a", {"population_stability_index": 0.01}),)
    answers = dict(judged(0.5, drift=calm).answers)
    assert answers["What changed in the data?"].startswith("No column changed clearly in Feb 2013")
    assert answers["For whom is it worse?"] == "No outcomes by slice are known yet."
    assert answers["What was decided?"] == "Nothing has been decided yet."

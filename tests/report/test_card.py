"""The model card, from facts as the runs record them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from perdure.report import render
from perdure.report.card import CardFacts, build

RUN = {"run": "r" * 64, "step": "train", "interval": "2024-03", "status": "done", "who": "me@here", "target": "local",
       "started_at": "2024-04-01T01:02:03+00:00", "code": "c0de", "configuration": "f",
       "environment": {"spark": "4.2.0"},
       "hash": "h" * 64}  # fmt: skip


def estimate(value: float, spread: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - spread, "high": value + spread}


def part(value: str, rows: int, loss: float) -> dict[str, Any]:
    return {"model": "candidate", "slice_key": "town", "slice_value": value, "rows": rows,
            "metrics": {"log_loss": estimate(loss)}}


@pytest.fixture
def facts() -> CardFacts:
    calibration = [{"predicted": p, "observed": p + 0.1, "low": p + 0.05, "high": p + 0.15, "rows": 500}
                   for p in (0.1, 0.3, 0.6)]
    judged = {
        "rows": 5000, "candidate": {"log_loss": estimate(0.4), "brier": estimate(0.1)},
        "champion": {"log_loss": estimate(0.45), "brier": estimate(0.1)},
        "improvement": {"log_loss": estimate(0.05), "brier": {"value": 0, "low": -1, "high": 1}},
        "slices": [part("Bad <Town>", 900, 0.6), part("good", 4000, 0.39), part("tiny", 12, 0.9)],
        "calibration": {"candidate": calibration}, "fairness": {},
    }  # fmt: skip
    leans = {
        "rows": 1000, "unit": "logit", "base": -1.0, "importance": {"town": 0.2, "unused": 0.0, "weight": 0.5},
        "direction": {"weight": 0.9, "town": None, "unused": None},
        "permutation": {"weight": {"value": 0.05, "error": 0.002}, "town": {"value": 0.01, "error": 0.001}},
        "dependence": [
            {"column": "weight", "kind": "number", "points": [{"at": float(i), "answer": i / 10} for i in range(5)]},
            {"column": "town", "kind": "text", "points": [{"at": "a", "answer": 0.2}, {"at": "b", "answer": 0.3}]}],
    }  # fmt: skip
    training = {**RUN, "family": "gbt", "params": {"maxDepth": 4, "stepSize": 0.1}, "rows": 20_000, "seed": 42,
                "since": "2024-01-01T00:00:00+00:00", "until": "2024-03-01T00:00:00+00:00",
                "holdout": {"since": "2024-03-01T00:00:00+00:00", "until": "2024-04-01T00:00:00+00:00"},
                "columns": {"weight": "double", "town": "string"}, "tracking_run": "t"}  # fmt: skip
    source = {"files": [{"path": "/x/a.csv", "size": 1, "modified": 1}], "intervals": ["2024-01"], "rows_in": 30_000,
              "quarantined": 7, "expectations": {"not null": {"must_be": "0", "passed": 1, "failed": 0}}}  # fmt: skip
    gate = [{"rule": "log_loss", "passed": True, "measured": "0.4", "bound": "<= 0.6", "severity": "critical"}]
    model = {
        "version": "3", "training": training, "evaluation": {**RUN, "rows": 5000, "passed": True, "gate": gate},
        "decision": {**RUN, "decision": "promote", "reason": "it passed its gate", "previous_version": "2",
                     "effective_from": "2024-04-01T00:00:00+00:00"},
        "data": {"tables": [{"table": "features", "version": 7}], "sources": {"parcels": source}},
    }  # fmt: skip
    return CardFacts("parcels", "local", "Which parcels come late.", "3", "2024-04-02T00:00:00+00:00", "binary",
                     "log_loss", "The probability of late.", "id", "2024-03", ("noise",), model, judged, leans,
                     [("prove the ledger", "./spark-submit.sh jobs/audit.py x --verify")])  # fmt: skip


def test_what_became_of_columns_and_classes(facts: CardFacts) -> None:
    prepared = {"unused": {"seen": "timestamp"}, "gaps": [], "categories": {"town": 63, "kind": 4},
                "most_categories": 63, "classes": {"0": 980, "1": 20}}
    model = {**facts.model, "training": {**facts.model["training"], "prepared": prepared}}
    said = " ".join(build(replace(facts, model=model)).limits)
    for text in ("doesn't use seen (timestamp)", "Of town it knows the 63 most frequent", "2.0% are of class 1"):
        assert text in said
    decided = " ".join(build(replace(facts, model=model, threshold={"threshold": 0.2})).limits)
    assert "of class 1" not in decided
    prepared = {**prepared, "imbalance": "balance"}
    model = {**facts.model, "training": {**facts.model["training"], "prepared": prepared}}
    balanced = " ".join(build(replace(facts, model=model)).limits)
    assert "Each class counted as much" in balanced
    assert "of class 1" not in balanced


def test_a_card_tells_what_was_recorded(facts: CardFacts) -> None:
    view = build(facts)
    assert (view.status, view.state) == ("good", "Passed")
    assert [row.value for row in view.slices] == ["Bad <Town>", "good", "tiny"]
    assert [row.worse for row in view.slices] == [True, False, False]
    assert [row["sure"] for row in view.metrics] == ["better", "alike"]
    assert [row["name"] for row in view.leans] == ["weight", "town"]
    said = " ".join(view.limits)
    for text in ("60 days of data", "clearly worse for town Bad <Town>", "too few to tell: town tiny",
                 "too low in 3 of 3 groups", "not shown noise", "fairness"):
        assert text in said


def test_the_page_needs_nothing_and_escapes_what_came_from_data(facts: CardFacts) -> None:
    page = render.card(facts)
    assert "Bad &lt;Town&gt;" in page
    assert "<Town>" not in page
    assert "<script" not in page
    assert re.findall(r"(?:src|href)=\"(?!#)", page) == []
    assert page.count("<svg") == 2
    assert page == render.card(facts)


def test_markdown_tells_the_same(facts: CardFacts) -> None:
    text = render.card_markdown(facts)
    assert "| log loss | 0.400 | 0.390 to 0.410 | 0.450 | better |" in text
    assert "Bad &lt;Town\\>" in text
    for title in ("How good it is", "For whom", "What it leans on", "Limits", "Where it comes from", "Do it again"):
        assert f"## {title}" in text


def test_a_card_before_its_evaluation(facts: CardFacts) -> None:
    model = {**facts.model, "evaluation": None, "decision": None}
    early = replace(facts, judged={}, leans={"why_not": "it can't be"}, model=model)
    assert build(early).state == "Candidate"
    assert "been judged on held-out rows yet" in render.card(early)
    assert "It can&#39;t be." in render.card(early)
    assert "be judged" in render.card_markdown(early)


def test_a_refused_version_says_why(facts: CardFacts) -> None:
    refused = {**facts.model["decision"], "decision": "refuse", "reason": "log loss is 0.7"}
    view = build(replace(facts, model={**facts.model, "decision": refused}))
    assert (view.status, view.state) == ("bad", "Refused")
    assert "log loss is 0.7" in view.because


def test_regression_and_a_version_from_elsewhere(facts: CardFacts) -> None:
    judged = {"rows": 10, "candidate": {"rmse": estimate(2.0)}, "slices": [], "improvement": {}}
    page = render.card(replace(facts, task="regression", metric="rmse", judged=judged, leans={}))
    assert "RMSE" in page
    elsewhere = {**facts.model, "training": None, "data": None}
    assert "trained elsewhere" in render.card(replace(facts, model=elsewhere))


def test_what_mitigation_changed_and_cost(facts: CardFacts) -> None:
    def side(parity: float, loss: float) -> dict[str, Any]:
        return {"rows": 900, "metrics": {"log_loss": loss}, "fairness": {"demographic_parity_difference": parity}}

    told = replace(facts, mitigation={"group": "town", "before": side(0.41, 0.5), "after": side(0.12, 0.538)})
    for page in (render.card(told), render.card_markdown(told)):
        for text in ("town and outcome are independent", "900 validation rows", "0.41", "0.12", "0.538"):
            assert text in page
    assert "validation rows" not in render.card(facts)


def test_thresholds_are_told(facts: CardFacts) -> None:
    def side(parity: float) -> dict[str, Any]:
        return {"rows": 900, "metrics": {"accuracy": 0.8}, "fairness": {"demographic_parity_difference": parity}}

    costs = {"threshold": 0.21, "false_positive": 1.0, "false_negative": 4.0, "before": 0.63, "after": 0.47}
    apart = {"group": "town", "before": side(0.41), "after": side(0.02), "thresholds": {"A": 0.18, "B": 0.33}}
    told = replace(facts, threshold=costs, mitigation=apart)
    for page in (render.card(told), render.card_markdown(told)):
        for text in ("A probability above 0.21", "a miss 4", "0.47", "0.63", "B", "0.33", "0.02"):
            assert text in page
        assert "weigh such" not in page

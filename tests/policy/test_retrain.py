"""The decision, case by case; and what no evidence may change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.conditions import Retrain
from perdure.core.config import Train
from perdure.core.interval import Duration
from perdure.policy.conditions import judge
from perdure.policy.evidence import worsened
from perdure.policy.retrain import ChampionFacts, Decision, Evidence, decide

TRAIN = Train.model_validate({"window": "4 months", "holdout": "1 month", "minimum": "3 months"})
PSI = "population_stability_index"


def day(month: int, number: int = 1) -> datetime:
    return datetime(2013, month, number, tzinfo=timezone.utc)


CHAMPION = ChampionFacts("3", day(4), {"log_loss": 0.5, "area_under_roc": 0.8, "r2": -0.1, "empty": None})
NOW = Evidence(
    interval_start=day(7),
    interval_end=day(8),
    history_start=day(1),
    champion=CHAMPION,
    drift={"delay": {PSI: 0.3}, "hour": {PSI: 0.26}, "origin": {PSI: 0.01}, "empty": {PSI: None}},
    realised={"log_loss": 0.53, "area_under_roc": 0.79, "r2": -0.11},
    label_coverage=0.97,
    labelled_rows=80_000,
    intervals_since_training=3,
)


def retrain(when: Any, **more: Any) -> Retrain:
    return Retrain.model_validate({"when": when, **more})


def decided(when: Any, evidence: Evidence = NOW, **more: Any) -> Decision:
    return decide(evidence, retrain(when, **more), TRAIN)


@pytest.mark.parametrize(
    ("when", "due", "words"),
    [
        ("never", False, "never retrains"),
        ("always", True, "every interval"),
        ({"drift": PSI, "above": 0.25}, True, "2 features changed"),
        ({"drift": PSI, "above": 0.25, "columns": 2}, True, "delay 0.3, hour 0.26"),
        ({"drift": PSI, "above": 0.25, "columns": 3}, False, "only 2 of the 3 needed"),
        ({"drift": PSI, "above": 0.3}, False, "no feature changed"),
        ({"drift": "js_distance", "above": 0.1}, False, "not been measured"),
        ({"realised": "log_loss", "worse_by": 0.05}, True, "6.0% worse"),
        ({"realised": "log_loss", "worse_by": 0.07}, False, "up to 7% worse is accepted"),
        ({"realised": "area_under_roc", "worse_by": 0.01}, True, "1.3% worse"),
        ({"realised": "area_under_roc", "worse_by": 0.02}, False, "0.79 against 0.8"),
        ({"realised": "r2", "worse_by": 0.05}, True, "10.0% worse"),
        ({"realised": "brier", "worse_by": 0.05}, False, "not known"),
        ({"realised": "empty", "worse_by": 0.05}, False, "not known"),
        ({"age": "4 months"}, True, "122 days ago"),
        ({"age": "5 months"}, False, "less than the 5 months"),
        ({"new_rows": 80_000}, True, "80,000 labelled rows"),
        ({"new_rows": 80_001}, False, "of 80,001 wanted"),
        ({"any": [{"age": "5 months"}, {"new_rows": 10}]}, True, "80,000 labelled rows"),
        ({"any": [{"age": "5 months"}, {"new_rows": 10**6}]}, False, "5 months allowed; 80,000"),
        ({"all": [{"age": "4 months"}, {"new_rows": 10}]}, True, "4 months allowed; 80,000"),
        ({"all": [{"age": "5 months"}, {"new_rows": 10}]}, False, "5 months"),
        ({"all": [{"any": [{"age": "5 months"}, {"new_rows": 1}]}, {"age": "1 day"}]}, True, "80,000"),
    ],
)
def test_conditions(when: Any, due: bool, words: str) -> None:
    found = decided(when)
    assert found.due is due
    assert words in found.reason
    assert found.reason.endswith(".")
    assert found.lines


def test_without_labels_nothing_is_worse() -> None:
    found = decided({"realised": "log_loss", "worse_by": 0.05}, replace(NOW, realised={}))
    assert not found.due
    assert "no labels have come yet" in found.reason
    assert not decided(
        {"realised": "log_loss", "worse_by": 0.05}, replace(NOW, realised={"log_loss": float("nan")})
    ).due


def test_only_the_conditions_that_decided_are_the_reason() -> None:
    found = decided({"any": [{"age": "5 months"}, {"new_rows": 10}]})
    assert "days" not in found.reason
    assert [line.passed for line in found.lines] == [False, True]


@pytest.mark.parametrize(("since", "due"), [(1, False), (2, False), (3, True)])
def test_cooldown(since: int, due: bool) -> None:
    found = decided("always", replace(NOW, intervals_since_training=since), cooldown=2)
    assert found.due is due
    assert due or "2 intervals must pass" in found.reason


@pytest.mark.parametrize(("rows", "due"), [(None, True), (99, False), (100, True)])
def test_minimum_rows_of_the_window(rows: int | None, due: bool) -> None:
    found = decided("always", replace(NOW, window_rows=rows), minimum_rows=100)
    assert found.due is due
    assert due or "99 labelled rows of the 100 wanted" in found.reason


FIRST = replace(NOW, champion=None, drift={}, realised={}, label_coverage=None, intervals_since_training=None)


@pytest.mark.parametrize(("end", "due", "words"), [(3, False, "reached on 2013-04-01"), (4, True, "enough history")])
@pytest.mark.parametrize("when", ["never", "always", {"age": "1 month"}])
def test_first_training_comes_with_enough_history(end: int, due: bool, words: str, when: Any) -> None:
    found = decided(when, replace(FIRST, interval_end=day(end)))
    assert (found.due, words in found.reason) == (due, True)


def test_first_training_waits_for_the_window_where_no_minimum_is_given() -> None:
    train = Train.model_validate({"window": "4 months", "holdout": "1 month"})
    dues = [decide(replace(FIRST, interval_end=day(end)), Retrain(), train).due for end in (4, 5)]
    assert dues == [False, True]


def test_first_training_needs_its_rows() -> None:
    assert not decided("always", replace(FIRST, labelled_rows=9), minimum_rows=10).due


def test_refused_candidates_are_followed_by_another_after_the_cooldown() -> None:
    tried = replace(FIRST, intervals_since_training=1)
    assert "passed its gate" in decided("never", tried).reason
    assert not decided("never", tried, cooldown=1).due
    assert decided("never", replace(tried, intervals_since_training=2), cooldown=1).due


def test_evidence_is_json() -> None:
    found = decided({"any": [{"drift": PSI, "above": 0.25}, {"age": "1 month"}]}, cooldown=1)
    stored = json.loads(json.dumps(found.evidence, allow_nan=False))
    assert stored["champion"]["version"] == "3"
    assert stored["interval_end"] == "2013-08-01T00:00:00+00:00"
    assert len(stored["lines"]) == 3


@pytest.mark.parametrize(
    ("metric", "before", "now", "expected"),
    [("log_loss", 0.5, 0.55, 0.1), ("rmse", 2, 1, -0.5), ("area_under_roc", 0.8, 0.72, 0.1), ("r2", 0.0, -0.2, 0.2)],
)
def test_worsened_knows_the_direction(metric: str, before: float, now: float, expected: float) -> None:
    assert worsened(metric, before, now) == pytest.approx(expected)


def test_an_unknown_condition_is_a_program_error() -> None:
    with pytest.raises(TypeError, match="Duration"):
        judge(Duration(1, "days"), NOW)


LEAVES = st.sampled_from(
    [
        {"drift": PSI, "above": 0.1},
        {"drift": PSI, "above": 0.5},
        {"realised": "log_loss", "worse_by": 0.02},
        {"realised": "brier", "worse_by": 0.02},
        {"age": "1 month"},
        {"age": "1 year"},
        {"new_rows": 1},
        {"new_rows": 10**9},
    ]
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda found: st.sampled_from([{"any": found}, {"all": found}])
    ),
    max_leaves=6,
)
WHENS = st.one_of(st.sampled_from(["never", "always"]), CONDITIONS)
EVIDENCE = st.builds(
    lambda champion, days, drift, loss, rows, since, window: replace(
        NOW,
        champion=champion,
        interval_end=NOW.interval_start + timedelta(days=days),
        drift={"x": {PSI: drift}},
        realised={"log_loss": loss},
        labelled_rows=rows,
        intervals_since_training=since,
        window_rows=window,
    ),
    st.sampled_from([None, CHAMPION]),
    st.integers(1, 300),
    st.one_of(st.none(), st.floats(0, 1)),
    st.one_of(st.none(), st.floats(0.1, 1)),
    st.integers(0, 10**6),
    st.one_of(st.none(), st.integers(1, 12)),
    st.one_of(st.none(), st.integers(0, 10**6)),
)


@given(WHENS, EVIDENCE, st.integers(0, 12), st.integers(0, 10**6))
def test_limits_never_make_a_training_due(when: Any, evidence: Evidence, cooldown: int, rows: int) -> None:
    free = decided(when, evidence)
    assert free.due >= decided(when, evidence, cooldown=cooldown).due
    assert free.due >= decided(when, evidence, minimum_rows=rows).due
    assert decided(when, evidence, cooldown=cooldown).due >= decided(when, evidence, cooldown=cooldown + 1).due


@given(CONDITIONS, CONDITIONS, EVIDENCE)
def test_any_and_all_are_or_and_and(left: Any, right: Any, evidence: Evidence) -> None:
    evidence = replace(evidence, champion=CHAMPION)
    sides = [decided(condition, evidence).due for condition in (left, right)]
    assert decided({"any": [left, right]}, evidence).due is any(sides)
    assert decided({"all": [left, right]}, evidence).due is all(sides)


@given(WHENS, EVIDENCE)
def test_every_decision_gives_a_reason_and_the_same_one_again(when: Any, evidence: Evidence) -> None:
    found = decided(when, evidence)
    assert len(found.reason) > 20
    assert found == decided(when, evidence)

"""The conditions on expectation, data quality, new categories, slices, repetition and budget."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from perdure.core.conditions import Retrain, parts
from perdure.core.config import Train
from perdure.policy.retrain import ChampionFacts, Decision, Evidence, Part, decide

TRAIN = Train.model_validate({"window": "4 months", "holdout": "1 month"})
PSI = "population_stability_index"


def day(month: int) -> datetime:
    return datetime(2013, month, 1, tzinfo=timezone.utc)


CHAMPION = ChampionFacts("3", day(4), {"log_loss": 0.5}, (
    Part("origin", "EWR", 900, {"log_loss": 0.4}), Part("origin", "JFK", 900, {"log_loss": 0.6})))
NOW = Evidence(
    day(7), day(8), day(1), champion=CHAMPION,
    drift={"delay": {PSI: 0.3}, "temp": {PSI: 0.9}}, drift_thresholds={"delay": {PSI: 0.2}, "temp": {PSI: 1.5}},
    realised={"log_loss": 0.51}, expected={"log_loss": 0.6}, label_coverage=0.4, quarantined=0.02,
    slices=(Part("origin", "EWR", 800, {"log_loss": 0.5}, {"log_loss": 0.41}, 0.4),
            Part("origin", "JFK", 800, {"log_loss": 0.5}, {"log_loss": 0.9}, 0.0),
            Part("origin", "NEW", 10, {"log_loss": 9.0}, {}, 1.0)),
    new_categories={"carrier": 0.03, "dest": 0.001}, unusual=("schedule rows is 3, expected 9 to 12",),
    together={"domain_classifier": (True, "area under ROC 0.8, at most 0.6"), "multivariate": (False, "error 1")},
    trainings=(day(2), day(4)), intervals_since_training=3)


def decided(when: Any, evidence: Evidence = NOW, **more: Any) -> Decision:
    return decide(evidence, Retrain.model_validate({"when": when, **more}), TRAIN)


@pytest.mark.parametrize(("when", "due", "words"), [
    ({"drift": PSI}, True, "1 feature changed since the training (population stability index above what the training"),
    ({"drift": PSI, "columns": 2}, False, "only 1 of the 2"),
    ({"drift": "ks_test"}, False, "not been measured"),
    ({"expected": "log_loss", "worse_by": 0.1}, True, "is expected to be 20.0% worse"),
    ({"expected": "log_loss", "worse_by": 0.3}, False, "up to 30% worse is accepted"),
    ({"expected": "brier", "worse_by": 0.1}, False, "not known"),
    ({"realised": "log_loss", "worse_by": 0.01, "minimum_coverage": 0.4}, True, "2.0% worse"),
    ({"realised": "log_loss", "worse_by": 0.01, "minimum_coverage": 0.5}, False, "labels are known for 40%"),
    ({"realised": "log_loss", "worse_by": 0.2, "slice": "origin"}, True, "worse than at the training in 1 origin: EWR"),
    ({"realised": "log_loss", "worse_by": 0.3, "slice": "origin"}, False, "worst: EWR +25.0%"),
    ({"expected": "log_loss", "worse_by": 0.3, "slice": "origin"}, True, "JFK +50.0%"),
    ({"expected": "log_loss", "worse_by": 0.3, "slice": "carrier"}, False, "by carrier is not known yet"),
    ({"data_quality": 0.01}, True, "2.00% of the rows went to quarantine"),
    ({"data_quality": 0.02}, False, "of the 2.00% allowed"),
    ({"new_categories": 0.01}, True, "carrier 3.0%"),
    ({"new_categories": 0.05}, False, "no feature"),
    ({"unusual": 1}, True, "1 measure of the data is unusual: schedule rows is 3, expected 9 to 12"),
    ({"unusual": 2}, False, "1 measure of the data is unusual"),
    ({"together": "domain_classifier"}, True, "a classifier tells the rows from the training's (area under ROC 0.8"),
    ({"together": "multivariate"}, False, "the features go together as in the training (error 1)"),
    ({"together": "attributions"}, False, "nothing has been measured for the check 'attributions' yet"),
])
def test_conditions(when: Any, due: bool, words: str) -> None:
    found = decided(when)
    assert found.due is due
    assert words in found.reason
    json.dumps(found.evidence)


def test_n_of_the_last_m() -> None:
    calm, bad = replace(NOW, quarantined=0.0), NOW
    when = {"of": {"data_quality": 0.01}, "times": 2, "last": 3}
    for earlier, due in (((), False), ((calm, calm), False), ((calm, bad), True), ((bad, calm), True),
                         ((calm, calm, bad), False)):
        assert decided(when, replace(NOW, earlier=earlier)).due is due, earlier
    assert "in 2 of the last 3 intervals" in decided(when, replace(NOW, earlier=(bad,))).reason
    assert decided(when, replace(calm, earlier=(bad, bad))).due


def test_the_earlier_intervals_are_not_stored_again() -> None:
    assert "earlier" not in decided({"data_quality": 0.01}, replace(NOW, earlier=(NOW, NOW))).evidence


@pytest.mark.parametrize(("budget", "due"), [
    ({"trainings": 2, "per": "12 months"}, False), ({"trainings": 3, "per": "12 months"}, True),
    ({"trainings": 1, "per": "3 months"}, True), ({"trainings": 2, "per": "7 months"}, False)])
def test_budget(budget: Any, due: bool) -> None:
    found = decided("always", budget=budget)
    assert found.due is due
    assert due or "is spent" in found.reason


def test_without_evidence_nothing_holds() -> None:
    empty = Evidence(day(7), day(8), day(1), champion=CHAMPION)
    for when in ({"data_quality": 0.0}, {"new_categories": 0.0}, {"drift": PSI},
                 {"expected": "log_loss", "worse_by": 0.1},
                 {"realised": "log_loss", "worse_by": 0.1, "slice": "origin"},
                 {"of": {"data_quality": 0.0}, "times": 1, "last": 3}):
        assert not decided(when, empty).due


def test_parts_of_a_condition() -> None:
    policy = Retrain.model_validate({"when": {"any": [{"age": "1 day"}, {"of": {"all": [{"new_rows": 1}]}, "times": 1,
                                                                         "last": 2}]}})
    found = {where: type(part).__name__ for where, part in parts(policy.when)}
    assert found == {(): "AnyOf", ("any", 0): "Age", ("any", 1): "Repeated", ("any", 1, "of"): "AllOf",
                     ("any", 1, "of", "all", 0): "NewRows"}
    assert [part for _, part in parts("never")] == ["never"]

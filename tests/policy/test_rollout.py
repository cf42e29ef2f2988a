from __future__ import annotations

import pytest

from perdure.core.config import Rollout
from perdure.policy.rollout import Seen, Side, Verdict, decide

GOOD, BAD = Side(500, 0.40, 0.41), Side(500, 0.60, 0.39)
CANARY = Rollout(kind="canary", steps=(10, 50, 100), bake=2)


def after(*pairs: tuple[Side, Side], step: int = 0, rules: Rollout = CANARY, metric: str = "log_loss") -> Verdict:
    return decide(step, [Seen(f"day {n}", *pair) for n, pair in enumerate(pairs)], rules, metric)


def test_a_good_challenger_goes_on_when_the_step_has_lasted() -> None:
    assert after((GOOD, GOOD)).action == "hold"
    assert after((GOOD, GOOD)).reason == "the step has lasted 1 of 2 intervals"
    assert after((GOOD, GOOD), (GOOD, GOOD)).action == "advance"
    assert after((GOOD, GOOD), (GOOD, GOOD), step=2).action == "promote"


def test_a_shadow_is_promoted_at_once() -> None:
    assert after((GOOD, GOOD), rules=Rollout(kind="shadow")).action == "promote"


def test_a_bad_one_leaves_at_once_whatever_it_expects_of_itself() -> None:
    found = after((GOOD, BAD))
    assert found.action == "rollback"
    assert "realised log loss is 0.6 against the champion's 0.4, 50.0% worse on 500 rows" in found.reason
    assert after((GOOD, GOOD), (GOOD, BAD)).action == "rollback"


@pytest.mark.parametrize(("metric", "action"), [("log_loss", "rollback"), ("area_under_roc", "advance")])
def test_which_way_is_worse_follows_from_the_metric(metric: str, action: str) -> None:
    assert after((GOOD, BAD), (GOOD, BAD), metric=metric).action == action


def test_until_outcomes_are_known_the_expected_performance_counts() -> None:
    unknown, worse = Side(0, None, 0.40), Side(0, None, 0.50)
    assert after((unknown, unknown), (unknown, unknown)).action == "hold"
    assert "known of no rows" in after((unknown, unknown), (unknown, unknown)).reason
    assert after((unknown, worse)).action == "rollback"
    few = Side(20, 0.9, 0.40)
    assert after((Side(20, 0.1, 0.40), few), (unknown, unknown)).action == "hold"


def test_it_is_better_known_than_expected() -> None:
    """A challenger that expects worse of itself, and does as well, goes on."""
    modest = Side(500, 0.40, 0.9)
    assert after((GOOD, modest), (GOOD, modest)).action == "advance"


def test_nothing_known_at_all_holds() -> None:
    assert after((Side(), Side()), (Side(), Side())).action == "hold"
    assert after().action == "hold"


def test_intervals_count_by_their_rows() -> None:
    small, large = Side(10, 9.0), Side(990, 0.4)
    assert after((Side(10, 0.4), small), (large, large)).action == "rollback"
    found = after((Side(1, 0.4), Side(1, 0.9)), (large, large))
    assert found.action == "advance", found.reason


def test_steps_must_rise() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Rollout(steps=(50, 10))

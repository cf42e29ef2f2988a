from __future__ import annotations

from typing import Any

from perdure.core.config import Gate
from perdure.policy.leakage import lines

SAME = {"cut": "2024-01-02T12:00:00+00:00", "compared": 200, "rows": 0, "columns": {}}
DIFFERS = {**SAME, "rows": 3, "columns": {"returns": 3, "mean": 1}}
ALONE = {"delay": 0.99, "weather": 0.4}


def gate(**leakage: Any) -> Gate:
    return Gate.model_validate({"leakage": leakage})


def test_nothing_found_is_a_line_each_that_passes() -> None:
    first, second = lines(gate(), {"weather": 0.4, "day": 0.1}, SAME)
    assert (first.passed, first.measured) == (True, "0 of 200 rows differ")
    assert first.bound == "the same when computed from what was known at 2024-01-02T12:00"
    assert (second.passed, second.measured, second.bound) == (True, "weather 0.40", "at most 0.95 of 1")


def test_what_is_found_is_told_and_refused_where_asked_for() -> None:
    told = lines(gate(), ALONE, DIFFERS)
    assert [(line.passed, line.severity) for line in told] == [(False, "warning")] * 2
    assert told[0].measured == "3 of 200 rows differ (returns 3, mean 1)"
    assert told[1].measured == "delay 0.99"
    assert [line.severity for line in lines(gate(mode="enforce"), ALONE, DIFFERS)] == ["critical"] * 2
    dry = gate(mode="enforce").model_copy(update={"mode": "dry_run"})
    assert [line.severity for line in lines(dry, ALONE, DIFFERS)] == ["warning"] * 2


def test_the_limit_is_the_pipelines_own() -> None:
    assert lines(gate(alone=1), ALONE, None)[0].passed
    assert lines(gate(alone=0.3), ALONE, None)[0].measured == "delay 0.99, weather 0.40"


def test_off_is_off_and_what_was_not_looked_at_is_not_told() -> None:
    assert lines(gate(mode="off"), ALONE, DIFFERS) == []
    assert lines(gate().model_copy(update={"mode": "off"}), ALONE, DIFFERS) == []
    assert lines(gate(), {}, None) == []

"""Suggested rules, from facts alone: no Spark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.quality.suggest import ColumnFacts, bound, entries, pattern, shape
from perdure.quality.suites import problems, rule_fingerprint


def number(**given: Any) -> ColumnFacts:
    return ColumnFacts("number", **{"rows": 1000, "nulls": 0, "low": 1, "high": 9, **given})


def text(**given: Any) -> ColumnFacts:
    return ColumnFacts("text", **{"rows": 1000, "nulls": 0, "shortest": 1, "longest": 9, **given})


def rules(facts: ColumnFacts, *required: str) -> dict[str, dict[str, Any]]:
    return {entry["type"].removeprefix("expect_column_"): entry for entry in entries({"c": facts}, required)}


def test_completeness_is_what_it_was() -> None:
    full = rules(number(), "c")["values_to_not_be_null"]
    assert (full["severity"], "mostly" in full["kwargs"]) == ("critical", False)
    partly = rules(number(nulls=100))["values_to_not_be_null"]
    assert 0.87 <= partly["kwargs"]["mostly"] <= 0.89
    assert "10 % of 1,000 values are missing" in partly["meta"]["reason"]
    assert "values_to_not_be_null" not in rules(number(nulls=700))
    assert list(rules(number(nulls=1000, low=None, high=None))) == []


def test_a_few_values_again_and_again_are_a_set() -> None:
    found = rules(text(values={"a": 600, "b": 399, "c": 1}))
    assert found["values_to_be_in_set"]["kwargs"]["value_set"] == ["a", "b", "c"]
    assert found["values_to_be_in_set"]["meta"]["confidence"] == 0.999
    assert "values_to_be_in_set" not in rules(text(values={f"v{i}": 1 for i in range(40)}, rows=40))
    assert rules(number(values={0: 500, 1: 500}))["values_to_be_in_set"]["kwargs"]["value_set"] == [0, 1]
    assert "values_to_be_in_set" not in rules(number(values={0.5: 500, 1.0: 500}))


@pytest.mark.parametrize(
    ("low", "high", "least", "most"),
    [
        (1, 9, 0, 13),
        (100, 200, 50, 250),
        (-5, 5, -10, 10),
        (0.0, 1.0, 0.0, 1.5),
        (7, 7, 0, 14),
        (-1.5, -0.5, -2.0, 0.0),
    ],
)
def test_ranges_leave_room_but_do_not_turn_negative(low: Any, high: Any, least: Any, most: Any) -> None:
    kwargs = rules(number(low=low, high=high))["values_to_be_between"]["kwargs"]
    assert (kwargs["min_value"], kwargs["max_value"]) == (least, most)
    assert type(kwargs["min_value"]) is type(low)


def test_infinite_values_have_no_range() -> None:
    assert "values_to_be_between" not in rules(number(high=float("inf")))


def test_texts_have_patterns_and_lengths() -> None:
    codes = rules(text(shapes={"AA999": 700, "AA9999": 300}, shortest=5, longest=6))
    regex = codes["values_to_match_regex"]["kwargs"]["regex"]
    assert re.match(regex, "XY123")
    assert re.match(regex, "XY1234")
    assert not re.match(regex, "XY12345")
    same = rules(text(shortest=3, longest=3))
    assert same["value_lengths_to_equal"]["kwargs"]["value"] == 3
    free = rules(text(shortest=1, longest=30))["value_lengths_to_be_between"]["kwargs"]
    assert (free["min_value"], free["max_value"]) == (1, 60)
    mail = rules(text(known=("an e-mail address",)))["values_to_match_regex"]
    assert re.match(mail["kwargs"]["regex"], "a.b@example.org")
    assert "each of 1,000 values is an e-mail address" in mail["meta"]["reason"]


def test_unique_columns_are_told_so() -> None:
    assert "values_to_be_unique" in rules(text(unique=True))
    assert "values_to_be_unique" not in rules(text(unique=True, rows=5))


def test_what_is_suggested_is_a_suite() -> None:
    found = entries({"a b": number(), "c": text(shapes={"AA": 1000}, shortest=2, longest=2)})
    assert problems({"expectations": found}, ["a b", "c"]) == []
    assert len({rule_fingerprint(entry) for entry in found}) == len(found)
    assert all(entry["meta"]["reason"] and 0 < entry["meta"]["confidence"] <= 1 for entry in found)
    assert entries({"a": number(rows=0)}) == []


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=12)


@given(st.lists(TEXT, min_size=1, max_size=5), st.booleans())
def test_a_pattern_matches_every_text_that_it_came_from(texts: list[str], exact: bool) -> None:
    shapes = {shape(one, exact=exact): 1 for one in texts}
    assert all(re.match(pattern(shapes, exact=exact), one) for one in texts)


@given(st.integers(1, 10_000), st.integers(0, 50))
def test_the_bound_is_below_what_was_seen_and_grows_with_the_rows(rows: int, failed: int) -> None:
    failed = min(failed, rows)
    found = bound(rows, failed)
    assert 0 <= found <= 1 - failed / rows + 1e-12
    assert bound(10 * rows, 10 * failed) >= found - 1e-12

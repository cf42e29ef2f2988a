"""Gate lines read like sentences."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.quality import wording


def entry(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


@pytest.mark.parametrize(
    ("expectation", "title", "bound"),
    [
        (
            entry("column_values_to_be_between", column="distance", min_value=0, max_value=5000),
            "distance: values",
            "between 0 and 5,000, every row",
        ),
        (entry("column_values_to_not_be_null", column="tail", mostly=0.99), "tail: values not null",
         "at least 99 % of rows"),
        (
            entry("column_values_to_be_in_set", column="origin", value_set=["JFK", "LGA"]),
            "origin: values in set",
            "value set ['JFK', 'LGA'], every row",
        ),
        (
            entry("compound_columns_to_be_unique", column_list=["a", "b"]),
            "a, b: compound columns unique",
            "every row",
        ),
    ],
)
def test_rules_about_rows(expectation: dict[str, Any], title: str, bound: str) -> None:
    assert wording.title(expectation) == title
    assert wording.bound(expectation, per_row=True) == bound


def test_rules_about_the_table() -> None:
    mean = entry("column_mean_to_be_between", column="delay", max_value=9.5, strict_max=True)
    assert (wording.title(mean), wording.bound(mean, per_row=False)) == ("delay: mean", "below 9.5")
    rows = entry("table_row_count_to_be_between", min_value=1000, row_condition="x > 1", condition_parser="spark")
    assert wording.title(rows) == "table row count where x > 1"
    assert wording.bound(rows, per_row=False) == "at least 1,000"


def test_what_was_measured() -> None:
    found = {"unexpected_count": 3, "element_count": 28000, "unexpected_percent": 3 / 280,
             "partial_unexpected_list": [-5, -5, None, 7]}
    assert wording.measured({"result": found}) == "3 of 28,000 rows fail (0.01071 %), such as -5, 7"
    assert wording.measured({"result": {"unexpected_count": 0, "element_count": 5}}) == "none of 5 rows fails"
    assert wording.measured({"result": {"observed_value": 1234567}}) == "1,234,567"
    assert wording.measured({"result": {}, "success": True}) == "holds"
    assert wording.percent(0.001) == "less than 0.01 %"


def test_an_exception_is_said_in_one_line() -> None:
    one = {"exception_info": {"exception_message": "no column x\n at line 3"}, "result": {}}
    many = {"exception_info": {"a metric": {"exception_message": "no column y"}}, "result": {}}
    assert wording.measured(one) == "could not be judged: no column x"
    assert wording.measured(many) == "could not be judged: no column y"

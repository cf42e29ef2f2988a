"""Suites as data: what is wrong with one is said, with the nearest right name, and without Great Expectations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure.core.errors import UsageError
from perdure.quality import suites

COLUMNS = {"distance": "int", "carrier": "string"}


def problems(*expectations: Any) -> list[str]:
    return suites.problems({"name": "s", "expectations": list(expectations)}, COLUMNS)


def entry(kind: str = "expect_column_values_to_not_be_null", **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs or {"column": "distance"}}


def test_a_sound_suite_has_no_problems() -> None:
    assert problems(entry(), {**entry(), "severity": "info"}, entry("expect_table_row_count_to_equal", value=3)) == []
    assert problems(entry("expect_column_to_exist", column="gone")) == []


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (entry("expect_column_values_to_not_be_nul"), "did you mean 'expect_column_values_to_not_be_null'?"),
        (entry(column="distanse"), "no column 'distanse' (did you mean 'distance'?)"),
        (entry("expect_compound_columns_to_be_unique", column_list=["carrier", "flight"]), "no column 'flight'"),
        ({**entry(), "severity": "fatal"}, "severity must be one of critical, warning, info, found 'fatal'"),
        (entry(column="distance", mostly=90), "mostly must be between 0 and 1, found 90"),
        ({"expectation_type": "expect_x", "kwargs": {}}, "before 1.0"),
        ("text", 'expected {"type"'),
        ({**entry(), "kwargs": []}, "kwargs must be a mapping"),
    ],
)
def test_each_problem_is_said(expectation: Any, said: str) -> None:
    (problem,) = problems(expectation)
    assert problem.startswith("expectations[0]")
    assert said in problem


def test_all_problems_come_at_once() -> None:
    assert len(problems(entry("expect_nothing", column="x"), entry(column="y"))) == 3


def test_checking_imports_no_great_expectations() -> None:
    code = (
        "import sys; from perdure.quality import suites;"
        "suites.problems({'expectations': [{'type': 'expect_x', 'kwargs': {'column': 'a'}}]}, ['a']);"
        "sys.exit('great_expectations' in sys.modules or 'pyspark' in sys.modules)"
    )
    library = str(Path(suites.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": library}, check=False).returncode == 0


def test_known_types_are_those_that_great_expectations_registers() -> None:
    import great_expectations.expectations.core  # noqa: F401 - registers them
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    # One is listed as core and never registered: it reads as broken when it is judged.
    unregistered = suites.known_types() - set(list_registered_expectation_implementations())
    assert unregistered == {"expect_multicolumn_values_to_be_unique"}
    assert len(suites.known_types()) > 55


def test_the_fingerprint_names_the_rule_and_not_its_wording() -> None:
    one, other = entry(), {**entry(), "severity": "info", "meta": {"why": "because"}}
    assert suites.rule_fingerprint(one) == suites.rule_fingerprint(other)
    assert suites.rule_fingerprint(one) != suites.rule_fingerprint(entry(column="carrier"))
    assert len(suites.rule_fingerprint(one)) == 12


def test_reading(tmp_path: Path) -> None:
    file = tmp_path / "suite.json"
    file.write_text(json.dumps({"name": "s", "expectations": [entry()]}))
    assert suites.entries(suites.read(file)) == [entry()]
    file.write_text('{"name": "s",\n "expectations": [}')
    with pytest.raises(UsageError, match=r"suite.json:2: expected JSON"):
        suites.read(file)
    file.write_text("[]")
    with pytest.raises(UsageError, match="expected a suite"):
        suites.read(file)
    with pytest.raises(UsageError, match="no such suite file"):
        suites.read(tmp_path / "absent.json")

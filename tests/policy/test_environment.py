from __future__ import annotations

import pytest

from perdure.core.config import EnvironmentRules
from perdure.policy.environment import compare, table

HERE = {"spark": "4.2.0", "java": "17.0.15", "package numpy": "2.4.6", "time zone": "UTC", "ANSI mode": "true",
        "cluster": "local", "cluster cores": "2"}
RULES = EnvironmentRules()


def test_the_same_passes_with_a_line_each() -> None:
    found = compare(HERE, HERE, RULES)
    assert found.passed
    assert [line.rule for line in found.lines] == list(HERE)


@pytest.mark.parametrize(("name", "value"), [
    ("spark", "4.3.0"), ("java", "21.0.1"), ("package numpy", "not there"), ("time zone", "Europe/Berlin"),
    ("ANSI mode", "false"), ("cluster", "yarn"), ("package numpy", "2.4.6 does not load: libopenblas.so.0"),
])
def test_what_refuses(name: str, value: str) -> None:
    found = compare(HERE, {**HERE, name: value}, RULES)
    assert not found.passed
    assert [line.rule for line in found.failures] == [name]
    assert value in table(found)
    assert HERE[name] in table(found)
    assert compare(HERE, {**HERE, name: value}, RULES, "dry_run").passed


def test_a_package_that_does_not_load_is_never_alike() -> None:
    broken = {**HERE, "package numpy": "2.4.6 does not load: x"}
    assert not compare(broken, broken, RULES).passed


def test_the_size_of_the_cluster_is_told_only() -> None:
    found = compare(HERE, {**HERE, "cluster cores": "64"}, RULES)
    assert found.passed
    assert not found.failures


@pytest.mark.parametrize(("versions", "patch", "minor"), [
    ("exact", False, False), ("patch", True, False), ("minor", True, True)])
def test_how_far_versions_may_differ(versions: str, patch: bool, minor: bool) -> None:
    rules = EnvironmentRules.model_validate({"versions": versions})
    assert compare(HERE, {**HERE, "spark": "4.2.1"}, rules).passed is patch
    assert compare(HERE, {**HERE, "spark": "4.3.0"}, rules).passed is minor
    assert not compare(HERE, {**HERE, "spark": "5.0.0"}, rules).passed


def test_what_is_ignored_may_differ() -> None:
    rules = EnvironmentRules(ignore=("time zone",))
    assert compare(HERE, {**HERE, "time zone": "Asia/Tokyo"}, rules).passed


def test_facts_that_only_one_side_knows_count() -> None:
    less = {name: value for name, value in HERE.items() if name != "java"}
    assert not compare(HERE, less, RULES).passed
    assert not compare(less, HERE, RULES).passed

"""Group metrics against Fairlearn's on the same predictions, and by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perdure.core.errors import UsageError
from perdure.evaluation import fairness
from perdure.evaluation.tally import Tally

from .test_measure import tally


def of_group(value: str, y: Any, p: Any) -> Tally:
    return dataclasses.replace(tally(p, y, p), model="candidate", slice_key="group", slice_value=value)


@pytest.fixture(scope="module")
def peer() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Path(__file__).with_name("fairlearn.json").read_text())
    return data


@pytest.fixture(scope="module")
def tallies(peer: dict[str, Any]) -> list[Tally]:
    group, p, y = (np.array(peer[name]) for name in ("group", "p", "y"))
    return [of_group(value, y[group == value], p[group == value]) for value in "abcd"]


def test_metrics_are_fairlearns(peer: dict[str, Any], tallies: list[Tally]) -> None:
    found = fairness.measured(fairness.groups(tallies, "candidate", "group"))
    assert set(found) == set(fairness.METRICS) == set(peer["metrics"])
    assert found == pytest.approx(peer["metrics"], abs=1e-12)


def test_rates_of_groups_are_fairlearns(peer: dict[str, Any], tallies: list[Tally]) -> None:
    found = fairness.groups(tallies, "candidate", "group")
    for rate, wanted in peer["by_group"].items():
        assert {group.value: group.rates[rate] for group in found} == pytest.approx(wanted, abs=1e-12)


def test_small_groups_and_other_models_are_left_out(peer: dict[str, Any], tallies: list[Tally]) -> None:
    other = dataclasses.replace(tallies[0], model="champion")
    found = fairness.groups([*tallies, other], "candidate", "group", minimum=100)
    assert [group.value for group in found] == ["a", "b", "c"]
    assert [group.rows for group in found] == [peer["group"].count(value) for value in "abc"]


def test_a_rate_without_rows_is_left_out() -> None:
    no_positives, both = of_group("x", [0, 0, 0], [0.2, 0.6, 0.3]), of_group("y", [0, 1, 1], [0.2, 0.6, 0.3])
    found = fairness.measured(fairness.groups([no_positives, both], "candidate", "group"))
    assert set(found) == {"demographic_parity_difference", "demographic_parity_ratio"}
    assert found["demographic_parity_difference"] == pytest.approx(0)


def test_one_group_has_no_metric() -> None:
    assert fairness.measured(fairness.groups([of_group("x", [0, 1], [0.2, 0.6])], "candidate", "group")) == {}


def test_directions() -> None:
    assert fairness.lower_is_fairer("equalized_odds_difference")
    assert not fairness.lower_is_fairer("demographic_parity_ratio")
    with pytest.raises(UsageError, match="there are: demographic_parity_difference"):
        fairness.lower_is_fairer("parity")

"""Thresholds from the reference's own intervals: false alarms as stated, drift still seen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from perdure.drift import calm
from perdure.drift.calm import Swings, swings, thresholds
from perdure.drift.compare import compare, members
from perdure.profile.profile import Column, ColumnProfile, Profile

EDGES = tuple(np.linspace(-2.5, 2.5, 11).tolist())
NAMES = tuple(f"c{i}" for i in range(8))
ZERO = Profile({name: ColumnProfile.start(Column("double", "numeric", edges=EDGES)) for name in NAMES})
PSI = "population_stability_index"


def interval(random: np.random.Generator, rows: int, season: float, shift: float = 0.0) -> Profile:
    """A season moves all columns together, half of them strongly; `shift` moves the first alone."""
    common = random.normal(0, season)
    values = {name: random.normal(common * (number % 2), 1, rows) + (shift if number == 0 else 0)
              for number, name in enumerate(NAMES)}
    return ZERO.add(pa.table(values))


def alarms(reference: list[Profile], current: Profile, false_alarms: float) -> list[str]:
    whole = reference[0]
    for each in reference[1:]:
        whole = whole + each
    bounds = thresholds(swings(reference), NAMES, current.rows, false_alarms)
    return [drift.column for drift in compare(whole, current)
            if any(value is not None and value > bounds[drift.column].get(name, np.inf)
                   for name, value in drift.statistics.items() if name == PSI)]


@pytest.mark.parametrize(("many", "rows", "season"), [(12, 2000, 0.5), (4, 2000, 0.5), (12, 300, 0.0), (24, 500, 0.3)])
def test_false_alarms_are_no_more_than_stated(many: int, rows: int, season: float) -> None:
    """Eight columns, intervals like those of the reference: at a stated five per cent at most about so many alarm."""
    random = np.random.default_rng(many)
    hits = 0
    for _ in range(60):
        reference = [interval(random, rows, season) for _ in range(many)]
        hits += bool(alarms(reference, interval(random, rows, season), 0.05))
    assert hits / 60 <= 0.12


def test_fixed_thresholds_would_cry_wolf_on_the_same_data() -> None:
    random = np.random.default_rng(1)
    reference = [interval(random, 2000, 0.5) for _ in range(12)]
    whole = reference[0]
    for each in reference[1:]:
        whole = whole + each
    fixed = calm_hits = 0
    for _ in range(40):
        current = interval(random, 2000, 0.5)
        fixed += any((drift.statistics[PSI] or 0) > members()[PSI].threshold for drift in compare(whole, current))
        calm_hits += bool(alarms(reference, current, 0.01))
    assert fixed >= 10
    assert calm_hits <= 2


def test_a_real_change_is_seen() -> None:
    random = np.random.default_rng(3)
    reference = [interval(random, 1000, 0.1) for _ in range(12)]
    found = alarms(reference, interval(random, 1000, 0.1, shift=1.0), 0.01)
    assert found == ["c0"]


def test_small_but_sure_is_no_alarm() -> None:
    """With very many rows any difference is significant; below a statistic's own threshold it doesn't matter."""
    random = np.random.default_rng(4)
    reference = [interval(random, 20_000, 0.0) for _ in range(4)]
    assert alarms(reference, interval(random, 20_000, 0.0, shift=0.1), 0.01) == []


def test_fewer_rows_widen_the_bound() -> None:
    random = np.random.default_rng(5)
    found = swings([interval(random, 1000, 0.5) for _ in range(6)])
    wide, usual, more = (thresholds(found, NAMES, rows, 0.01)["c1"] for rows in (100, 1000, 10_000))
    assert wide[PSI] == pytest.approx(10 * usual[PSI])
    assert wide["ks_test"] == pytest.approx(10**0.5 * usual["ks_test"])
    assert usual == more


def test_fewer_intervals_and_fewer_false_alarms_widen_the_bound() -> None:
    random = np.random.default_rng(6)
    parts = [interval(random, 1000, 0.5) for _ in range(12)]
    few, many = (thresholds(swings(some), NAMES, 1000, 0.01)["c1"][PSI] for some in (parts[:3], parts))
    strict = thresholds(swings(parts), NAMES, 1000, 0.0001)["c1"][PSI]
    assert few > many
    assert strict > many


def test_unknown_swings_leave_the_conventional_thresholds() -> None:
    random = np.random.default_rng(7)
    found = swings([interval(random, 100, 0.5) for _ in range(calm.LEAST - 1)])
    assert found == Swings()
    bounds = thresholds(found, ["c0", "fresh"], 100, 0.01)
    assert bounds["c0"] == bounds["fresh"]
    assert bounds["c0"][PSI] == members()[PSI].threshold
    assert "chi_squared_test" not in bounds["c0"]


def test_swings_come_back() -> None:
    random = np.random.default_rng(8)
    found = swings([interval(random, 100, 0.5) for _ in range(3)])
    stored: Any = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert Swings.from_dict(stored).to_dict() == found.to_dict()
    assert found.rows == (100, 100, 100)


def test_the_rest_is_the_sum_of_the_others() -> None:
    random = np.random.default_rng(9)
    a, b, c = (interval(random, 50, 0.5) for _ in range(3))
    assert calm._rests([a, b, c]) == [b + c, a + c, a + b]

"""Comparing whole profiles."""

from __future__ import annotations

import pyarrow as pa

from perdure.drift.compare import compare, members
from perdure.profile.profile import Column, ColumnProfile, Profile

ZERO = Profile(
    {
        "delay": ColumnProfile.start(Column("double", "numeric", edges=tuple(map(float, range(10))))),
        "carrier": ColumnProfile.start(Column("string", "categorical", names=("UA", "AA"))),
    }
)
REFERENCE = ZERO.add(pa.table({"delay": [float(i % 10) for i in range(100)], "carrier": ["UA", "AA"] * 50}))


def test_nothing_drifts_from_itself() -> None:
    found = compare(REFERENCE, REFERENCE)
    assert [drift.column for drift in found] == ["delay", "carrier"]
    assert not any(drift.drifted for drift in found)
    assert all(value == 0 for drift in found for value in drift.deltas.values() if value is not None)
    for drift in found:
        kind = REFERENCE.columns[drift.column].kind
        assert set(drift.statistics) == {name for name, module in members().items() if kind in module.applies_to}


def test_what_changed_is_named() -> None:
    current = ZERO.add(pa.table({"delay": [9.0] * 30 + [None] * 10, "carrier": ["UA", "AA"] * 20}))
    delay, carrier = compare(REFERENCE, current)
    assert {"ks_test", "population_stability_index", "js_distance"} <= set(delay.drifted)
    assert carrier.drifted == ()
    assert delay.deltas["count"] == -70
    assert delay.deltas["avg"] == 4.5
    assert delay.deltas["percent_null"] == 25
    assert delay.deltas["percent_zeros"] == -10
    assert carrier.deltas["avg"] is None
    assert delay.pvalues["ks_test"] is not None
    assert delay.pvalues["ks_test"] < 1e-6


def test_only_shared_columns_compare() -> None:
    assert [drift.column for drift in compare(REFERENCE, ZERO.only(["carrier"]))] == ["carrier"]


def test_an_empty_side_has_deltas_but_no_statistics() -> None:
    delay, _ = compare(REFERENCE, ZERO)
    assert set(delay.statistics.values()) == {None}
    assert delay.deltas["count"] == -100
    assert delay.deltas["avg"] is None


def test_unlike_columns_are_told_and_not_compared() -> None:
    other = Profile({"delay": ColumnProfile.start(Column("double", "numeric", edges=(0.0,)))})
    (delay,) = compare(REFERENCE, other)
    assert (delay.comparable, delay.statistics) == (False, {})

"""Bins for people: few, gapless, and complete."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from perdure.drift.bins import bins_of
from perdure.profile.profile import Column, ColumnProfile, Profile

RANDOM = np.random.default_rng(5)
ZERO = Profile(
    {
        "delay": ColumnProfile.start(
            Column(
                "double", "numeric", edges=tuple(np.quantile(RANDOM.normal(size=9999), np.arange(100) / 100).tolist())
            )
        ),
        "flag": ColumnProfile.start(Column("int", "numeric", edges=(0.0, 1.0, float(np.nextafter(1, 2))))),
        "carrier": ColumnProfile.start(Column("string", "categorical", names=tuple(f"c{i:02}" for i in range(30)))),
    }
)


def rows(many: int, shift: float) -> pa.Table:
    return pa.table(
        {
            "delay": RANDOM.normal(shift, 1, many),
            "flag": RANDOM.integers(0, 2, many),
            "carrier": [f"c{i % 30:02}" for i in range(many)],
        }
    )


def test_bins() -> None:
    reference, current = ZERO.add(rows(3000, 0)), ZERO.add(rows(1000, 2))
    found = {name: rest for name, *rest in bins_of(reference, current)}
    for name, (_, before, now) in found.items():
        assert (sum(before), sum(now)) == (3000, 1000), name
        assert len(before) == len(now) <= 12
    edges, before, now = found["delay"]
    assert len(edges) == len(before) + 1
    assert all(low < high for low, high in pairwise(edges))
    assert max(before) < 400
    assert now[-1] > 500
    assert found["flag"][0][:2] == [0.0, 1.0]
    assert len(found["flag"][1]) == 2
    assert found["carrier"][0] == [*(f"c{i:02}" for i in range(10)), "other"]


def test_what_is_outside_the_reference_is_in_the_outer_bins() -> None:
    reference = ZERO.add(rows(100, 0))
    low_high = pa.table({"delay": [-50.0, 50.0, 50.0], "flag": [-3, 1, 9], "carrier": ["new"] * 3})
    found = {name: rest for name, *rest in bins_of(reference, ZERO.add(low_high))}
    edges, _, now = found["delay"]
    assert (edges[0], edges[-1]) == (-50.0, 50.0)
    assert (now[0], now[-1]) == (1, 2)
    edges, _, now = found["flag"]
    assert (edges[0], edges[-1], now[0], now[-1]) == (-3.0, 9.0, 1, 1)
    assert found["carrier"][2][-1] == 3


def test_columns_that_do_not_compare_are_left_out() -> None:
    assert list(bins_of(ZERO, ZERO.add(rows(5, 0)))) == []
    other = Profile({"flag": ColumnProfile.start(Column("int", "numeric", edges=(5.0,)))})
    assert list(bins_of(ZERO.add(rows(5, 0)), other.add(rows(5, 0)))) == []

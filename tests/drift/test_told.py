"""Where a drift sits: shares add up, the worst comes first, weights count. No Spark."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from perdure.drift.compare import compare
from perdure.drift.population_stability_index import statistic
from perdure.drift.told import bins, tell
from perdure.profile.profile import ALL, Column, ColumnProfile, Profile, Slice

EDGES = tuple(float(edge) for edge in range(0, 101, 2))
ZERO = Profile({
    "price": ColumnProfile.start(Column("double", "numeric", edges=EDGES)),
    "age": ColumnProfile.start(Column("double", "numeric", edges=(1.0, 2.0, 3.0))),
    "shop": ColumnProfile.start(Column("string", "categorical", names=("a", "b"))),
})


def profiles(seed: int, *, moved: float = 0.0, shops: tuple[str, ...] = ("a", "b")) -> dict[Slice, Profile]:
    """All rows, and two towns, of which only the second moves."""
    rng, found = np.random.default_rng(seed), {}
    for town, shift in (("north", 0.0), ("south", moved)):
        table = pa.table({"price": rng.normal(50 + shift, 10, 3000), "age": rng.integers(1, 4, 3000).astype(float),
                          "shop": rng.choice(list(shops), 3000)})
        found["town", town] = ZERO.add(table)
    return {ALL: found["town", "north"] + found["town", "south"], **found}


BEFORE, NOW = profiles(1), profiles(2, moved=15.0, shops=("a", "b", "c"))
DRIFTS = {key: compare(BEFORE[key], NOW[key]) for key in NOW}


def test_the_bins_make_the_score() -> None:
    for name in ZERO.columns:
        reference, current = BEFORE[ALL].columns[name], NOW[ALL].columns[name]
        found = bins(reference, current)
        assert sum(one.share for one in found) == pytest.approx(1)
        assert sum(one.before for one in found) == pytest.approx(1) == sum(one.now for one in found)
        score = sum((max(b.now, 1e-4) - max(b.before, 1e-4)) * np.log(max(b.now, 1e-4) / max(b.before, 1e-4))
                    for b in found)
        assert score == pytest.approx(statistic(reference, current))


def test_a_drift_is_told_down_to_the_bin() -> None:
    found = tell(DRIFTS, BEFORE, NOW, {}, columns=ZERO.columns)
    assert [one.column for one in found][:2] == ["shop", "price"]
    shop, price = found[:2]
    assert (shop.bins[0].label, shop.bins[0].before) == ("c", 0.0)
    assert [part.value for part in price.slices] == ["south", "north"]
    assert price.slices[0].share > 0.9
    assert price.slices[0].bin is not None
    assert price.slices[0].bin.now > price.slices[0].bin.before
    assert price.bins[0].label.split()[0] in {f"{edge:g}" for edge in EDGES}
    assert sum(one.share for one in found) == pytest.approx(1)


def test_what_the_model_leans_on_comes_first() -> None:
    found = tell(DRIFTS, BEFORE, NOW, {"price": 9.0, "age": 1.0}, columns=ZERO.columns)
    assert found[0].column == "price"
    assert found[0].weight == pytest.approx(0.9)
    assert next(one for one in found if one.column == "shop").share == 0


def test_stored_short() -> None:
    text = json.dumps([one.to_dict() for one in tell(DRIFTS, BEFORE, NOW, {}, columns=ZERO.columns)], allow_nan=False)
    assert len(text) < 4000


def test_without_rows_nothing_is_told() -> None:
    empty = {key: each.zero() for key, each in NOW.items()}
    drifts = {key: compare(BEFORE[key], empty[key]) for key in empty}
    assert tell(drifts, BEFORE, empty, {}, columns=ZERO.columns) == []
    assert bins(BEFORE[ALL].columns["age"], empty[ALL].columns["age"]) == []

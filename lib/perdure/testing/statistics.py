"""The laws of `perdure.core.protocols.Statistic`, for every registered one: tested the day it is added."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from perdure.drift.compare import members
from perdure.profile.profile import Column, ColumnProfile

EDGES = tuple(float(edge) for edge in range(-5, 6))
NUMERIC = ColumnProfile.start(Column("double", "numeric", edges=EDGES))
CATEGORICAL = ColumnProfile.start(Column("string", "categorical", names=("a", "b", "c")))
ZEROS = {"numeric": NUMERIC, "categorical": CATEGORICAL}
_FAR: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
    "numeric": ([-4.5] * 50, [4.5] * 50),
    "categorical": (["a"] * 50, ["c"] * 50),
}


def profile(values: Sequence[Any], kind: str) -> ColumnProfile:
    """A column's profile over this module's edges and categories."""
    return ZEROS[kind].add(pa.array(values, pa.float64() if kind == "numeric" else pa.string()))


def check(name: str, kind: str, reference: ColumnProfile, current: ColumnProfile) -> None:
    """Every law, for a statistic that applies to this kind and two profiles with values."""
    module = members()[name]
    assert isinstance(module.threshold, float), f"{name}.threshold must be a float"
    assert module.threshold > 0, f"{name}.threshold must be above zero"
    assert module.applies_to <= {"numeric", "categorical"}, f"{name}.applies_to names an unknown kind"
    empty = reference.zero()
    for left, right in ((reference, empty), (empty, current), (empty, empty)):
        assert module.statistic(left, right) is None, f"{name} must be None where a side has no values"
    found = module.statistic(reference, current)
    assert isinstance(found, float), f"{name} must be a float, found {found!r}"
    assert math.isfinite(found), f"{name} must be finite, found {found}"
    assert found >= -1e-12, f"{name} must not be negative, found {found}"
    same = module.statistic(reference, reference + reference)
    assert abs(same) < 1e-9, f"{name} of one distribution must be 0, found {same}"
    far = module.statistic(*(profile(values, kind) for values in _FAR[kind]))
    assert far > min(module.threshold, 0.5), f"{name} must see two distributions apart, found {far}"
    if hasattr(module, "pvalue"):
        _check_pvalue(name, reference, current)


def _check_pvalue(name: str, reference: ColumnProfile, current: ColumnProfile) -> None:
    module = members()[name]
    assert module.pvalue(reference, reference.zero()) is None, f"{name}'s p-value must be None without values"
    assert math.isclose(module.pvalue(reference, reference), 1.0), f"{name}'s p-value of one distribution must be 1"
    chance = module.pvalue(reference, current)
    assert 0 <= chance <= 1, f"{name}'s p-value must lie between 0 and 1, found {chance}"

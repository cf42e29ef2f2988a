"""The laws of `perdure.core.protocols.State`, for every registered state: a new one is tested the day it is
added.

`starts` gives a state's empty values for columns of several kinds, `batches` the values to take in, and
`check` runs all laws. States are compared by what they store; floats may differ by one part in 10**9.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from perdure.profile.profile import Column, members

_NUMERIC = Column("double", "numeric", edges=(-10.0, -1.0, 0.0, 0.5, 1.0, 100.0))
_OTHER_EDGES = Column("double", "numeric", edges=(0.0, 7.0))
_STRING = Column("string", "categorical", names=("a", "b", "c"))
_OTHER_NAMES = Column("string", "categorical", names=("x",))
_BOOLEAN = Column("boolean", "categorical", names=("false", "true"))
COLUMNS = (_NUMERIC, _STRING, _BOOLEAN)
_UNLIKE = {_NUMERIC: _OTHER_EDGES, _STRING: _OTHER_NAMES, _BOOLEAN: _OTHER_NAMES}


def starts(name: str) -> list[tuple[Column, Any]]:
    """The registered state's empty value for each kind of column that it says something about."""
    found = [(column, members()[name].start(column)) for column in COLUMNS]
    return [(column, state) for column, state in found if state is not None]


def batches(column: Column) -> st.SearchStrategy[list[pa.Array]]:
    """Lists of batches of a column's values: nulls, empty batches, and what is odd for the kind among
    them."""
    values: st.SearchStrategy[Any]
    if column.kind == "numeric":
        kind = pa.float64()
        odd = st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 5e-324, 1.7e308, 1e16, 0.1])
        values = st.one_of(odd, st.integers(-20, 20).map(float), st.floats(width=64))
    elif column.data_type == "boolean":
        kind, values = pa.bool_(), st.booleans()
    else:
        kind = pa.string()
        values = st.one_of(st.sampled_from(["a", "b", "c", "", "d", "ß"]), st.integers(0, 300).map(str))
    batch = st.lists(st.one_of(st.none(), values), max_size=40).map(lambda found: pa.array(found, kind))
    return st.lists(batch, min_size=3, max_size=6)


def check(column: Column, zero: Any, parts: Sequence[pa.Array]) -> None:
    """Every law, for one empty state and at least three batches of values."""
    a, b, c = (zero.add(part) for part in parts[:3])
    before = stored(a)
    assert_same(a + zero, a, "adding zero changes nothing")
    assert_same(zero + a, a, "adding to zero changes nothing")
    assert_same(a + b, b + a, "the order of two states does not matter")
    assert_same((a + b) + c, a + (b + c), "the grouping of states does not matter")
    assert_same(a.zero(), zero, "a state's own zero is the empty state")
    whole = zero.add(pa.concat_arrays(list(parts)))
    in_turn = zero
    for part in parts:
        in_turn = in_turn.add(part)
    merged = zero
    for part in reversed(parts):
        merged = merged + zero.add(part)
    assert_same(in_turn, whole, "batches taken in one after the other equal the whole")
    assert_same(merged, whole, "parts merged in any order equal the whole")
    if hasattr(zero, "add_counted"):
        found = pc.value_counts(pa.concat_arrays(list(parts)))
        counted = zero.add_counted(found.field("values"), found.field("counts").to_numpy())
        assert_same(counted, whole, "each value as often as it occurs equals the whole")
    assert_same(type(whole).from_dict(stored(whole)), whole, "what is stored comes back")
    assert_same(type(whole).from_dict(stored(a)) + b, a + b, "a state that comes back still adds")
    assert stored(a) == before, "a state never changes"
    _check_unlike(column, zero, a)


def _check_unlike(column: Column, zero: Any, state: Any) -> None:
    kind = stored(zero)["kind"]
    other_states = [members()[name].start(column) for name in members() if name != kind]
    unlike = [other for other in other_states if other is not None]
    same_kind = members()[kind].start(_UNLIKE[column])
    if same_kind is not None and stored(same_kind) != stored(zero):
        unlike.append(same_kind)
    for other in unlike:
        try:
            state + other
        except ValueError:
            continue
        raise AssertionError(f"adding the unlike states {state} and {other} must raise ValueError")
    for wrong in ({**stored(zero), "version": 0}, {**stored(zero), "kind": "nothing"}):
        try:
            type(zero).from_dict(wrong)
        except ValueError:
            continue
        raise AssertionError(f"reading back {wrong} must raise ValueError")


def stored(state: Any) -> dict[str, Any]:
    """What of a state comes back from strict JSON. Fails where it holds NaN, infinities or other than
    JSON."""
    found: dict[str, Any] = json.loads(json.dumps(state.to_dict(), allow_nan=False))
    return found


def assert_same(left: Any, right: Any, law: str) -> None:
    """Fail, naming the law, unless both store the same."""
    ours, theirs = stored(left), stored(right)
    assert _same(ours, theirs), f"{law}; found\n  {ours}\n  {theirs}"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)

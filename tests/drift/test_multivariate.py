"""How columns go together: states that add exactly, and NannyML's reconstruction error from them. No Spark."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from perdure.drift.multivariate import bounds, errors, facts, reconstruct
from perdure.profile.joint import Joint, category_code, number_code
from perdure.profile.profile import Column, ColumnProfile, Profile

SHARED: dict[str, Any] = json.loads(Path(__file__).with_name("multivariate.json").read_text())


def arrays(rows: dict[str, list[Any]]) -> dict[str, pa.Array]:
    return {name: pa.array(values, pa.string() if any(isinstance(value, str) for value in values) else pa.float64())
            for name, values in rows.items()}


def planned(rows: dict[str, list[Any]]) -> Joint:
    """Encoded as a plan of these rows says."""
    codes = []
    for name, values in rows.items():
        given = [value for value in values if value is not None]
        if isinstance(given[0], str):
            counts = Counter(given)
            codes.append(category_code(name, counts, sorted(counts), len(values) - len(given)))
        else:
            codes.append(number_code(name, given, [1.0] * len(given)))
    return Joint(tuple(codes))


ZERO = planned(SHARED["reference"])
REFERENCE = ZERO.add(arrays(SHARED["reference"]))


@pytest.mark.parametrize("at", range(len(SHARED["chunks"])))
def test_the_error_is_that_of_nannymls_components(at: int) -> None:
    chunk = SHARED["chunks"][at]
    found = reconstruct(REFERENCE, ZERO.add(arrays(chunk["rows"])))
    assert found is not None
    assert found.components == SHARED["components"]
    assert found.error == pytest.approx(chunk["root"], rel=1e-4)
    assert found.error >= chunk["mean"]
    assert sum(found.columns.values()) == pytest.approx(1)


def test_it_ranks_intervals_as_nannyml_does() -> None:
    found = [reconstruct(REFERENCE, ZERO.add(arrays(chunk["rows"]))) for chunk in SHARED["chunks"]]
    ours = [each.error for each in found if each]
    assert np.argsort(ours).tolist() == np.argsort([chunk["mean"] for chunk in SHARED["chunks"]]).tolist()


def test_states_add_to_the_last_digit() -> None:
    values = arrays(SHARED["reference"])
    parts = [ZERO.add({name: array.slice(start, size) for name, array in values.items()})
             for start, size in ((0, 7), (7, 200), (207, 0), (207, 193))]
    whole = parts[0] + parts[1] + parts[2] + parts[3]
    assert whole == REFERENCE == parts[3] + (parts[1] + parts[0])
    assert REFERENCE + ZERO == REFERENCE
    assert Joint.from_dict(json.loads(json.dumps(REFERENCE.to_dict(), allow_nan=False))) == REFERENCE


def test_unlike_states_do_not_add_or_compare() -> None:
    other = planned(SHARED["chunks"][1]["rows"])
    with pytest.raises(ValueError, match="codes"):
        REFERENCE + other
    with pytest.raises(ValueError, match="encoded alike"):
        reconstruct(REFERENCE, other.add(arrays(SHARED["reference"])))


def test_what_a_batch_may_hold() -> None:
    """Infinities and gaps count as the mean, unseen categories as 0, and far values no further than 64 deviations."""
    zero = planned({"a": [1.0, 2.0, 3.0], "b": ["x", "x", "y"]})
    odd = zero.add({"a": pa.array([math.inf, None, math.nan, 1e300]), "b": pa.array([None, "z", "x", "y"])})
    assert odd.totals[0] == 2**18
    assert odd.rows == 4
    assert zero.add({"a": pa.array([], pa.float64()), "b": pa.array([], pa.string())}) == zero
    assert planned({"a": [5.0, 5.0], "b": ["x", "x"]}).add(
        {"a": pa.array([5.0]), "b": pa.array(["x"])}).totals == (0, 0)


def correlated(rng: np.random.Generator, rows: int, together: float) -> dict[str, pa.Array]:
    common = rng.normal(size=rows)
    return {name: pa.array(together * common + math.sqrt(1 - together**2) * rng.normal(size=rows))
            for name in ("a", "b", "c", "d")}


def test_columns_that_part_are_found_though_none_of_them_moves() -> None:
    rng = np.random.default_rng(3)
    plan = correlated(rng, 2000, 0.9)
    zero = Joint(tuple(number_code(name, values.to_pylist(), [1.0] * len(values)) for name, values in plan.items()))
    parts = [zero.add(correlated(rng, 2000, 0.9)) for _ in range(12)]
    whole = sum(parts[1:], parts[0])
    known = errors(parts)
    same = [facts(whole, zero.add(correlated(rng, 2000, 0.9)), known, 0.01) for _ in range(40)]
    assert sum(bool(each and each["drifted"]) for each in same) <= 3
    apart = facts(whole, zero.add(correlated(rng, 2000, 0.5)), known, 0.01)
    assert apart is not None
    assert apart["drifted"]
    assert apart["error"] > apart["high"] > apart["reference"]
    assert json.dumps(apart, allow_nan=False)


def test_too_few_intervals_give_no_bounds() -> None:
    assert errors([REFERENCE, REFERENCE]) == []
    assert bounds([1.0, 1.1], 0.01) is None
    found = facts(REFERENCE, REFERENCE, [], 0.01)
    assert found is not None
    assert (found["low"], found["drifted"]) == (None, False)
    assert facts(REFERENCE, ZERO, [], 0.01) is None


def test_a_profile_keeps_it_along() -> None:
    columns = {name: ColumnProfile.start(Column("double", "numeric", edges=(0.0,))) for name in "ab"}
    codes = tuple(number_code(name, [0.0, 1.0, 2.0], [1.0] * 3) for name in "ab")
    zero = Profile(columns, Joint(codes))
    table = pa.table({"a": [0.0, 1.0, 2.0], "b": [2.0, 1.0, 0.0]})
    found = zero.add(table)
    assert found.joint is not None
    assert found.joint.rows == 3
    assert Profile.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert (found + found).joint == found.joint + found.joint
    assert found.zero() == zero
    assert found.only(["a"]).joint is None
    with pytest.raises(ValueError, match="go together"):
        found + found.alone()

"""Profiles of columns and tables: they add as their states do, and come back from JSON."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from perdure.profile.counts import Counts
from perdure.profile.histogram import Histogram
from perdure.profile.lengths import Lengths
from perdure.profile.profile import Column, ColumnProfile, Profile

ZERO = Profile(
    {
        "delay": ColumnProfile.start(Column("int", "numeric", edges=(0.0, 10.0))),
        "carrier": ColumnProfile.start(Column("string", "categorical", names=("UA",))),
        "late": ColumnProfile.start(Column("boolean", "categorical")),
    }
)
ROWS = pa.table({"delay": [1, None, 12], "carrier": ["UA", "AA", None], "late": [True, False, True], "more": [1, 2, 3]})


def test_a_column_has_the_states_that_say_something_about_it() -> None:
    states = {name: set(column.states) for name, column in ZERO.columns.items()}
    assert states["delay"] == {"counts", "distinct", "extremes", "histogram", "moments"}
    assert states["carrier"] == {"categories", "counts", "distinct", "lengths"}
    assert states["late"] == {"categories", "counts", "distinct"}


def test_parts_add_up_to_the_whole() -> None:
    whole = ZERO.add(ROWS)
    assert whole.rows == 3
    assert ZERO.add(ROWS.slice(0, 1)) + ZERO.add(ROWS.slice(1)) == whole
    assert whole.zero() == ZERO
    assert whole.columns["delay"].need(Histogram).counts == (0, 1, 1)


def test_comes_back_from_json() -> None:
    whole = ZERO.add(ROWS)
    assert Profile.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


def test_unlike_profiles_do_not_add() -> None:
    with pytest.raises(ValueError, match="late"):
        ZERO + ZERO.only(["delay", "carrier"])
    with pytest.raises(ValueError, match="like columns"):
        ZERO.columns["delay"] + ZERO.columns["carrier"]


def test_a_missing_state_is_named() -> None:
    assert ZERO.columns["delay"].get(Lengths) is None
    with pytest.raises(ValueError, match="no Lengths state"):
        ZERO.columns["delay"].need(Lengths)
    assert ZERO.columns["delay"].need(Counts) == Counts()


def test_an_unknown_state_is_named() -> None:
    stored = ZERO.columns["late"].to_dict()
    stored["states"].append({"kind": "crystal_ball", "version": 1})
    with pytest.raises(ValueError, match="crystal_ball"):
        ColumnProfile.from_dict(stored)

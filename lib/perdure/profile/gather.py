"""Many tasks' profiles on their way to the driver: added up by tasks first, so that it gets one of each slice however
many rows, files or partitions there were."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from perdure.core.errors import UsageError

from .profile import ALL, Profile, Slice

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SCHEMA = "slice_key string, slice_value string, states string"
SLICES = 200
"""Values of one slice column, at most."""
MANY = 2_000_000
"""Rows from which it is worth a stage of its own."""
_TASKS = 16


def gathered(parts: DataFrame, zero: Profile, *, many: bool) -> dict[Slice, Profile] | None:
    """The sums by slice of what tasks found: `parts` has the columns of `SCHEMA`, made by `as_rows`. `zero` is the
    whole's profile where there is none. None where a task had nothing to give (`states` is null). States add exactly,
    so their order doesn't matter. One Spark action; `many` parts cost a shuffle of them.

    Raises UsageError for a slice column with more than `SLICES` values.
    """
    if many:
        parts = parts.repartition(_TASKS, "slice_key", "slice_value").mapInArrow(_add, SCHEMA)
    found: dict[Slice, Profile] | None = {ALL: zero}
    for row in parts.collect():
        found = _with(found, (row["slice_key"], row["slice_value"]), row["states"])
    for name, values in Counter(key for key, _ in found or () if key is not None).items():
        if values > SLICES:
            raise UsageError(
                f"a slice column must have at most {SLICES} values, '{name}' has more; slice by a coarser column"
            )
    return found


def as_rows(found: dict[Slice, Profile] | None) -> pa.RecordBatch:
    """A task's profiles as rows of `SCHEMA`; of None one row without states."""
    rows = [(None, None, None)] if found is None else [
        (*key, json.dumps(profile.to_dict())) for key, profile in found.items()]
    names, columns = SCHEMA.replace(" string", "").split(", "), zip(*rows, strict=True) if rows else ((), (), ())
    return pa.RecordBatch.from_pydict(
        {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def _add(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    found: dict[Slice, Profile] | None = {}
    for each in batches:
        for key, value, states in zip(*(column.to_pylist() for column in each.columns), strict=True):
            found = _with(found, (key, value), states)
    yield as_rows(found)


def _with(found: dict[Slice, Profile] | None, key: Slice, states: str | None) -> dict[Slice, Profile] | None:
    if found is None or states is None:
        return None
    profile = Profile.from_dict(json.loads(states))
    found[key] = found[key] + profile if key in found else profile
    return found

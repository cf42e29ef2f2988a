"""Two profiles of a column as few bins, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from perdure.profile.categories import Categories
from perdure.profile.extremes import Extremes

from ._cells import GROUPS, group_starts, histograms

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile, Profile

    Bins = tuple[list[str] | list[float], list[int], list[int]]


def bins_of(
    reference: Profile, current: Profile
) -> Iterator[tuple[str, list[str] | list[float], list[int], list[int]]]:
    """For each column that both have alike and that has values on both sides: its name, its bins, and the rows of
    reference and current in each. The bins are n + 1 rising edges of n intervals for numbers (each value where there
    are few, else about the reference's deciles), n names for categories (the ten most frequent, then `other`)."""
    for name, column in reference.columns.items():
        other = current.columns.get(name)
        if other is None or column.zero() != other.zero():
            continue
        found = _categories(column, other) if column.kind == "categorical" else _numbers(column, other)
        if found is not None:
            yield name, *found


def _categories(reference: ColumnProfile, current: ColumnProfile) -> Bins | None:
    ours, theirs = reference.need(Categories), current.need(Categories)
    if not ours.total or not theirs.total:
        return None
    shown = [name for name, _ in (ours + theirs).frequent(GROUPS)]
    before, now = ([state.counts.get(name, 0) for name in shown] for state in (ours, theirs))
    rest = ours.total - sum(before), theirs.total - sum(now)
    if any(rest):
        shown, before, now = [*shown, "other"], [*before, rest[0]], [*now, rest[1]]
    return shown, before, now


def _numbers(reference: ColumnProfile, current: ColumnProfile) -> Bins | None:
    both = histograms(reference, current)
    if both is None:
        return None
    extremes = reference.need(Extremes) + current.need(Extremes)
    edges = both[0].edges
    low = edges[0] if extremes.low is None else min(extremes.low, edges[0])
    high = edges[-1] if extremes.high is None else max(extremes.high, edges[-1])
    table = np.array([side.counts for side in both])
    starts = np.array(group_starts(table[0]))
    counts = np.add.reduceat(table, starts, axis=1)
    bounds = [low, *(edges[start - 1] for start in starts[1:]), high]
    wide = [position for position in range(len(starts)) if bounds[position] < bounds[position + 1]]
    bounds = [*(bounds[position] for position in wide), high]
    if len(wide) < len(starts):  # an outer cell without width holds nothing
        counts = counts[:, wide]
    return [float(bound) for bound in bounds], counts[0].tolist(), counts[1].tolist()

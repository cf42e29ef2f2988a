"""Two profiles of a column as counts over the same cells: what every statistic starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.profile.categories import Categories
from perdure.profile.histogram import Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perdure.profile.profile import ColumnProfile

    Floats = NDArray[np.float64]

GROUPS = 10  # a histogram with more than twice as many cells is read as this many of about equal reference share
FLOOR = 1e-4  # what an empty cell's share counts as, where a logarithm needs one


def counts(reference: ColumnProfile, current: ColumnProfile) -> tuple[Floats, Floats] | None:
    """Rows in each cell: for categories, the categories; for numbers, the reference's deciles, or each value where it
    has few. None where a side is empty. Raises ValueError where the two were profiled over other edges."""
    found = _categories(reference, current) if reference.kind == "categorical" else _numbers(reference, current)
    return found if found[0].sum() > 0 and found[1].sum() > 0 else None


def shares(reference: ColumnProfile, current: ColumnProfile) -> tuple[Floats, Floats] | None:
    """`counts` as parts of one."""
    found = counts(reference, current)
    return None if found is None else (found[0] / found[0].sum(), found[1] / found[1].sum())


def floored(reference: ColumnProfile, current: ColumnProfile) -> tuple[Floats, Floats] | None:
    """`shares` with empty cells as `FLOOR`: fit for logarithms."""
    found = shares(reference, current)
    if found is None:
        return None
    ours, theirs = (np.where(side == 0, FLOOR, side) for side in found)
    return ours, theirs


def histograms(reference: ColumnProfile, current: ColumnProfile) -> tuple[Histogram, Histogram] | None:
    """Both histograms, None where one is empty. Raises ValueError where their edges differ."""
    ours, theirs = reference.need(Histogram), current.need(Histogram)
    if ours.edges != theirs.edges:
        raise ValueError(
            "two histograms compare over the same edges only; profile the current rows with the reference's"
        )
    return (ours, theirs) if ours.total and theirs.total else None


def _categories(reference: ColumnProfile, current: ColumnProfile) -> tuple[Floats, Floats]:
    ours, theirs = reference.need(Categories), current.need(Categories)
    if ours.names != theirs.names:
        raise ValueError(
            "two category counts compare over the same names only; profile the current rows with the reference's"
        )
    names = set(ours.names) if ours.full or theirs.full else {*ours.names, *ours.counts, *theirs.counts}
    order = sorted(names)
    found = [[state.counts.get(name, 0) for name in order] for state in (ours, theirs)]
    rest = [[state.total - sum(row)] for state, row in zip((ours, theirs), found, strict=True)]
    table = np.array([row + more for row, more in zip(found, rest, strict=True)], dtype=float)
    return _seen(table)


def _numbers(reference: ColumnProfile, current: ColumnProfile) -> tuple[Floats, Floats]:
    ours, theirs = reference.need(Histogram), current.need(Histogram)
    histograms(reference, current)
    table = np.array([ours.counts, theirs.counts], dtype=float)
    return _seen(np.add.reduceat(table, group_starts(table[0]), axis=1))


def group_starts(reference: NDArray[Any]) -> list[int]:
    """The cell where each group begins: each cell is its own where there are at most 20; else a group closes as soon
    as it holds a tenth of the reference's rows."""
    if len(reference) <= 2 * GROUPS or reference.sum() == 0:
        return list(range(len(reference)))
    starts, held = [0], 0.0
    for cell, share in enumerate(reference[:-1] / reference.sum()):
        held += share
        if held >= 1 / GROUPS - 1e-9:
            starts.append(cell + 1)
            held = 0.0
    if reference[starts[-1] :].sum() == 0 and len(starts) > 1:
        starts.pop()
    return starts


def _seen(table: Floats) -> tuple[Floats, Floats]:
    kept = table[:, table.sum(axis=0) > 0]
    return kept[0], kept[1]

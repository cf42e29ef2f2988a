"""Kullback-Leibler divergence of the current distribution from the reference: sum of reference * ln(reference /
current) over shares in shared cells, in nats.

`scipy.stats.entropy(reference, current)`, which Evidently uses too, with an empty cell's share counted as 0.0001 and
both sides then made to sum to one. Not symmetric, unlike the population stability index, which is this one added to
its mirror image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cells import floored

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = 0.1
shrinks = 1.0
applies_to = frozenset({"numeric", "categorical"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 (the same) without bound; None where a side has no values."""
    from scipy.special import rel_entr

    found = floored(reference, current)
    if found is None:
        return None
    ours, theirs = (side / side.sum() for side in found)
    return float(rel_entr(ours, theirs).sum())

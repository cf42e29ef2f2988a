"""Kolmogorov-Smirnov: the largest difference of the two distribution functions, here at the reference's edges.

Exact where each value has its own cell; else short of `scipy.stats.ks_2samp` by at most the largest share of one cell.
The p-value is scipy's asymptotic one for that distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._cells import histograms

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = 0.1
applies_to = frozenset({"numeric"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 (the same) to 1 (apart); None where a side has no values."""
    found = histograms(reference, current)
    if found is None:
        return None
    ours, theirs = (np.cumsum(side.counts) / side.total for side in found)
    return float(np.abs(ours - theirs).max())


def pvalue(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """The chance of so large a distance if both came from one distribution; two-sided."""
    from scipy.stats import kstwo

    found, distance = histograms(reference, current), statistic(reference, current)
    if found is None or distance is None:
        return None
    ours, theirs = found[0].total, found[1].total
    effective = max(1, round(ours * theirs / (ours + theirs)))
    return float(np.clip(kstwo.sf(distance, effective), 0, 1))

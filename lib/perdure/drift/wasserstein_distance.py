"""Wasserstein distance: the area between the two distribution functions, in the column's own unit.

`scipy.stats.wasserstein_distance` with the rows of each cell in its middle; at its lower edge where the reference has
no more values than cells, so that each value has its own. The outer cells end at the extremes of both sides. So it is
exact for such columns while no new values come, and within one cell's width for others. Having a unit, it has no
threshold of its own: see `normed_wasserstein_distance`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from perdure.profile.distinct import Distinct
from perdure.profile.extremes import Extremes

from ._cells import histograms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perdure.profile.profile import ColumnProfile

threshold = math.inf
applies_to = frozenset({"numeric"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 without bound; None where a side has no values."""
    from scipy.stats import wasserstein_distance

    found = histograms(reference, current)
    if found is None:
        return None
    places = _places(found[0].edges, reference, current)
    return float(wasserstein_distance(places, places, found[0].counts, found[1].counts))


def _places(edges: Sequence[float], reference: ColumnProfile, current: ColumnProfile) -> NDArray[np.float64]:
    extremes = [column.need(Extremes) for column in (reference, current)]
    low = min([edges[0], *(side.low for side in extremes if side.low is not None)])
    high = max([edges[-1], *(side.high for side in extremes if side.high is not None)])
    if reference.need(Distinct).estimate <= 1.25 * len(edges):
        return np.array([low, *edges[:-1], high])
    bounds = np.array([low, *edges, high])
    return bounds[:-1] + np.diff(bounds) / 2

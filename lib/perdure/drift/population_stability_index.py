"""Population stability index: sum of (current - reference) * ln(current / reference) over shares in shared cells.

An empty cell's share counts as 0.0001, as in Evidently. (Evidently takes a millionth of the smallest share instead
where that share is below 0.0001, which makes the index jump; this one doesn't.) Below 0.1 is usually read as stable,
above 0.2 or 0.25 as changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._cells import floored

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = 0.2
shrinks = 1.0
applies_to = frozenset({"numeric", "categorical"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 (the same) without bound; None where a side has no values."""
    found = floored(reference, current)
    if found is None:
        return None
    ours, theirs = found
    return float(((theirs - ours) * np.log(theirs / ours)).sum())

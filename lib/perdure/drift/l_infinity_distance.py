"""L-infinity distance: the largest absolute difference of a share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._cells import shares

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = 0.1
applies_to = frozenset({"numeric", "categorical"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 (the same) to 1; None where a side has no values."""
    found = shares(reference, current)
    return None if found is None else float(np.abs(found[0] - found[1]).max())

"""Jensen-Shannon distance: square root of the Jensen-Shannon divergence, logarithms of base 2.

`scipy.spatial.distance.jensenshannon(p, q, base=2)`, which NannyML uses too; between 0 and 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cells import shares

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = 0.1
applies_to = frozenset({"numeric", "categorical"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 (the same) to 1 (nothing in common); None where a side has no values."""
    from scipy.spatial.distance import jensenshannon

    found = shares(reference, current)
    return None if found is None else float(jensenshannon(*found, base=2))

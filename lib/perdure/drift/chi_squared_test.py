"""Chi-squared test that reference and current come from one distribution over the categories.

`scipy.stats.chi2_contingency(table, correction=False)`. The statistic grows with the rows, so it has no threshold of
its own; judge by the p-value, and by a distance whether the change matters.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._cells import counts

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = math.inf
applies_to = frozenset({"categorical"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 without bound; None where a side has no values."""
    return _test(reference, current)[0]


def pvalue(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """The chance of so large a statistic if nothing had changed."""
    return _test(reference, current)[1]


def _test(reference: ColumnProfile, current: ColumnProfile) -> tuple[float, float] | tuple[None, None]:
    from scipy.stats import chi2_contingency

    found = counts(reference, current)
    if found is None:
        return None, None
    result = chi2_contingency(found, correction=False)
    return float(result.statistic), float(result.pvalue)

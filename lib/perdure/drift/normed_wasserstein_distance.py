"""Wasserstein distance in standard deviations of the reference, as Evidently norms it (a deviation below 0.001 counts
as that much); 0.1 is its default threshold too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.profile.moments import Moments

from . import wasserstein_distance

if TYPE_CHECKING:
    from perdure.profile.profile import ColumnProfile

threshold = 0.1
applies_to = frozenset({"numeric"})


def statistic(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """From 0 without bound; None where a side has no values."""
    distance = wasserstein_distance.statistic(reference, current)
    return None if distance is None else distance / max(reference.need(Moments).deviation or 0.0, 0.001)

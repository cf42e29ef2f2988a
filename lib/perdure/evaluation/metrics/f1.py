"""The harmonic mean of precision and recall, as it was decided."""

from __future__ import annotations

import math

from perdure.evaluation.tally import Estimate, Tally

tasks = ("binary",)
direction = "higher"


def measure(tally: Tally) -> Estimate | None:
    """2 TP / (2 TP + FP + FN), between 0 and 1; None when no row is, or is predicted, 1.

    Standard error by the delta method: with q = TP / (TP + FP + FN), binomial, F1 = 2q / (1 + q)."""
    hit, false, missed, _ = tally.confusion
    concerned = hit + false + missed
    if not concerned:
        return None
    share = hit / concerned
    error = 2 / (1 + share) ** 2 * math.sqrt(share * (1 - share) / concerned)
    return Estimate(2 * share / (1 + share), error)

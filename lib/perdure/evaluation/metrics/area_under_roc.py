"""The chance that a row of class 1 gets a higher probability than one of class 0 (ties count half)."""

from __future__ import annotations

import math

import numpy as np

from perdure.evaluation.tally import Estimate, Tally

tasks = ("binary",)
direction = "higher"


def measure(tally: Tally) -> Estimate | None:
    """From the probability grid, within `bound` of the exact area; None when a class is absent.

    Standard error by DeLong, DeLong and Clarke-Pearson (1988), whose placements are sums over the grid."""
    ones, zeros = tally.positives, tally.negatives
    n1, n0 = float(ones.sum()), float(zeros.sum())
    if not n1 or not n0:
        return None
    # A row's placement: the share of the other class that it beats.
    beaten = (np.cumsum(zeros) - zeros / 2) / n0
    beating = 1 - (np.cumsum(ones) - ones / 2) / n1
    area = float((ones * beaten).sum() / n1)
    if n1 < 2 or n0 < 2:
        return Estimate(area, None, tally.tied)
    spread1 = float((ones * (beaten - area) ** 2).sum() / (n1 - 1))
    spread0 = float((zeros * (beating - area) ** 2).sum() / (n0 - 1))
    return Estimate(area, math.sqrt(spread1 / n1 + spread0 / n0), tally.tied)

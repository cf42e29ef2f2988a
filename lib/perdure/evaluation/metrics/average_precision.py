"""The mean of precision over the thresholds that each raise recall, weighted by the raise (area under the PR steps)."""

from __future__ import annotations

import math

import numpy as np

from perdure.evaluation.tally import Estimate, Tally

tasks = ("binary",)
direction = "higher"


def measure(tally: Tally) -> Estimate | None:
    """From the probability grid; None when no row is 1.

    `bound`: within a bin the rows' order is unknown; the value lies between that of all its positives first and all
    its negatives first. Standard error: binomial over the positives (Boyd, Eng and Page 2013)."""
    ones, zeros = tally.positives[::-1], tally.negatives[::-1]
    n1 = float(ones.sum())
    if not n1:
        return None
    hits, seen = np.cumsum(ones), np.cumsum(ones + zeros)
    value = float((ones * hits / np.maximum(seen, 1)).sum() / n1)
    before1, before = hits - ones, seen - ones - zeros
    # Precision grows along the positives of a bin: its last one's when they come first, its first one's when last.
    first = (before1 + ones) / np.maximum(before + ones, 1)
    last = (before1 + 1) / (seen - ones + 1)
    best, worst = (float((ones * precision).sum() / n1) for precision in (first, last))
    bound = max(best - value, value - worst)
    return Estimate(value, math.sqrt(value * (1 - value) / n1), bound)


def expected(tally: Tally) -> Estimate | None:
    """As `measure` for chances instead of labels (`evaluation.expected`): each row is a threshold of its own, the mean
    over the orders that the rows of a bin may have. With H positives among the S rows above, a bin of n rows with
    chance c adds the sum over k = 1..n of c (H + c k) / (S + k), which is c (c n + (H - c S)(digamma(S + n + 1) -
    digamma(S + 1)))."""
    from scipy.special import digamma

    ones, rows = tally.positives[::-1], (tally.positives + tally.negatives)[::-1]
    ones, rows = ones[rows > 0], rows[rows > 0]
    n1 = float(ones.sum())
    if not n1:
        return None
    hits, seen, chance = np.cumsum(ones) - ones, np.cumsum(rows) - rows, ones / rows
    each = chance * (ones + (hits - chance * seen) * (digamma(seen + rows + 1) - digamma(seen + 1)))
    value = float(each.sum() / n1)
    return Estimate(value, math.sqrt(max(value * (1 - value), 0.0) / n1))

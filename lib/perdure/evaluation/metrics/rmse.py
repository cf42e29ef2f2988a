"""The root of the mean squared error, in the label's unit."""

from __future__ import annotations

import math

from perdure.evaluation.tally import Estimate, Tally

tasks = ("regression",)
direction = "lower"
loss = "(p - y) * (p - y)"


def measure(tally: Tally) -> Estimate | None:
    """Exact; the standard error by the delta method, se(mse) / (2 rmse)."""
    square = tally.loss("rmse").estimate()
    if square is None:
        return None
    root = math.sqrt(square.value)
    return Estimate(root, square.error / (2 * root) if square.error is not None and root else square.error)


def difference(a: Tally, b: Tally) -> Estimate | None:
    """`a`'s rmse less `b`'s on the same rows: the paired difference of squares over the sum of the roots."""
    paired, left, right = a.paired_loss("rmse").estimate(), measure(a), measure(b)
    if paired is None or left is None or right is None:
        return None
    roots = left.value + right.value
    if not roots:
        return Estimate(0.0, 0.0)
    return Estimate(paired.value / roots, None if paired.error is None else paired.error / roots)

"""Mean squared distance of the probability from the label (Brier 1950); of several classes, the distances summed."""

from __future__ import annotations

import numpy as np

from perdure.evaluation.tally import Array, Estimate, Tally

tasks = ("binary", "multiclass")
direction = "lower"
loss = "(p - y) * (p - y)"
loss_multiclass = "aggregate(p.each, 1D, (s, x) -> s + x * x) - 2 * element_at(p.each, CAST(y AS INT) + 1)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, between 0 and 1, with the standard error of the mean."""
    return tally.loss("brier").estimate()


def loss_of(y: float, p: Array) -> Array:
    """`loss` without Spark."""
    return np.asarray((p - y) ** 2)

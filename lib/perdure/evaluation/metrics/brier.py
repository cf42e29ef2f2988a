"""Mean squared distance of the probability from the label (Brier 1950)."""

from __future__ import annotations

import numpy as np

from perdure.evaluation.tally import Array, Estimate, Tally

tasks = ("binary",)
direction = "lower"
loss = "(p - y) * (p - y)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, between 0 and 1, with the standard error of the mean."""
    return tally.loss("brier").estimate()


def loss_of(y: float, p: Array) -> Array:
    """`loss` without Spark."""
    return np.asarray((p - y) ** 2)

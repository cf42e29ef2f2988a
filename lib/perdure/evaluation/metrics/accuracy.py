"""The share of rows whose class is right, at probability above 0.5."""

from __future__ import annotations

import numpy as np

from perdure.evaluation.tally import Array, Estimate, Tally

tasks = ("binary",)
direction = "higher"
loss = "IF((p > 0.5D) = (y = 1), 1D, 0D)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, between 0 and 1, with the standard error of the mean."""
    return tally.loss("accuracy").estimate()


def loss_of(y: float, p: Array) -> Array:
    """`loss` without Spark."""
    return np.asarray((p > 0.5) == (y == 1), dtype=float)

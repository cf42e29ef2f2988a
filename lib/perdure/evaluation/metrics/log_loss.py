"""Mean negative log-likelihood of the labels; probabilities are clipped at 1e-15, as scikit-learn once did."""

from __future__ import annotations

import numpy as np

from perdure.evaluation.tally import Array, Estimate, Tally

tasks = ("binary", "multiclass")
direction = "lower"
loss = "-ln(greatest(IF(y = 1, p, 1 - p), 1e-15D))"
loss_multiclass = "-ln(greatest(element_at(p.each, CAST(y AS INT) + 1), 1e-15D))"


def measure(tally: Tally) -> Estimate | None:
    """Exact, in nats, with the standard error of the mean."""
    return tally.loss("log_loss").estimate()


def loss_of(y: float, p: Array) -> Array:
    """`loss` without Spark."""
    return np.asarray(-np.log(np.maximum(np.where(y == 1, p, 1 - p), 1e-15)))

"""The mean squared error, in the label's unit squared."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally

tasks = ("regression",)
direction = "lower"
loss = "(p - y) * (p - y)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, with the standard error of the mean."""
    return tally.loss("mse").estimate()

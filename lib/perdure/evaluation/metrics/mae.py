"""The mean absolute error, in the label's unit."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally

tasks = ("regression",)
direction = "lower"
loss = "abs(p - y)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, with the standard error of the mean."""
    return tally.loss("mae").estimate()

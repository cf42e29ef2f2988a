"""The mean absolute error as a share of the label's size; a label of 0 counts as 2.2e-16, as in scikit-learn."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally

tasks = ("regression",)
direction = "lower"
loss = "abs(p - y) / greatest(abs(y), 2.220446049250313e-16D)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, with the standard error of the mean."""
    return tally.loss("mape").estimate()

"""The share of rows whose class is right, at probability above 0.5."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally

tasks = ("binary",)
direction = "higher"
loss = "IF((p > 0.5D) = (y = 1), 1D, 0D)"


def measure(tally: Tally) -> Estimate | None:
    """Exact, between 0 and 1, with the standard error of the mean."""
    return tally.loss("accuracy").estimate()

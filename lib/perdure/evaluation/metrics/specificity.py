"""Of the rows that are 0, the share predicted 0."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally, proportion

tasks = ("binary",)
direction = "higher"


def measure(tally: Tally) -> Estimate | None:
    """Between 0 and 1, with the binomial standard error; None when no row is 0."""
    _, false, _, right = tally.confusion
    return proportion(right, false + right)

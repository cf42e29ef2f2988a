"""Of the rows predicted 1, the share that are."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally, proportion

tasks = ("binary",)
direction = "higher"


def measure(tally: Tally) -> Estimate | None:
    """Between 0 and 1, with the binomial standard error; None when no row is predicted 1."""
    hit, false, _, _ = tally.confusion
    return proportion(hit, hit + false)

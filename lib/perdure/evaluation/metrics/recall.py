"""Of the rows that are 1, the share predicted 1."""

from __future__ import annotations

from perdure.evaluation.tally import Estimate, Tally, proportion

tasks = ("binary",)
direction = "higher"


def measure(tally: Tally) -> Estimate | None:
    """Between 0 and 1, with the binomial standard error; None when no row is 1."""
    hit, _, missed, _ = tally.confusion
    return proportion(hit, hit + missed)
